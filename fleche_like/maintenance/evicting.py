"""Evicting many calls, and the values that they alone used."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from fleche_like.calls import LazyCall
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance.gc import GRACE, gc
from fleche_like.maintenance.marks import Marks
from fleche_like.maintenance.parts import CacheLike, named_by, values_of
from fleche_like.maintenance.roots import with_parts
from fleche_like.support.progress import progress

BATCH: Final = 500
"""Calls evicted in one transaction."""


class Evictable(CacheLike, Protocol):
    """A cache that evicts calls."""

    def evict(self, key: Digest, /) -> None:
        """Remove the record of a call."""
        ...


@dataclass(frozen=True)
class Evicted:
    """What was evicted.

    Attributes:
        calls: how many calls.
        values: how many values that nothing else used; ``None`` if these were to stay.
        size_bytes: of these values.
    """

    calls: int
    values: int | None = None
    size_bytes: int | None = None


def evict(
    cache: Evictable,
    calls: Iterable[LazyCall],
    *,
    values: bool = False,
    show_progress: bool = True,
) -> Evicted:
    """Evict calls, some hundred in each transaction.

    Whenever this is interrupted, the transactions before are committed.

    Args:
        cache: where they are.
        calls: which; a query, say, which is read while it goes on.
        values: also remove the values that they used and nothing else does, which looks at all
            calls of the cache. Where calls are not in SQLite, those written within a day stay.
        show_progress: show bars, if anybody sees them.

    Raises:
        ReadOnlyError: the cache was opened read-only.
    """
    used = Marks()
    with contextlib.closing(used):
        bar = progress("evicting", (), wanted=show_progress)
        count = 0
        with contextlib.closing(bar):
            for batch in _batches(calls):
                if values:
                    used.add_all(digest for call in batch for digest in named_by(call.digested))
                _evict(cache, batch)
                count += len(batch)
                bar.update(len(batch))
        if not values:
            return Evicted(count)
        is_embedded = getattr(getattr(cache.calls, "database", None), "dialect", "") == "sqlite"
        chosen = with_parts(values_of(cache), used)
        with contextlib.closing(chosen):
            found = gc(
                cache,
                grace=0.0 if is_embedded else GRACE,
                only=chosen.all(),
                show_progress=show_progress,
            )
        return Evicted(count, found.values, found.size_bytes)


def _evict(cache: Evictable, batch: Sequence[LazyCall]) -> None:
    def together() -> None:
        for call in batch:
            cache.evict(call.key)

    if isinstance(cache.calls, SqlCallStorage):
        cache.calls.retrying(together)
    else:
        together()


def _batches(calls: Iterable[LazyCall]) -> Iterator[Sequence[LazyCall]]:
    rest = iter(calls)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch
