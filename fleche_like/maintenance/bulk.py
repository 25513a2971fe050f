"""Many calls at once, where their storage can do that, and one by one elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

from fleche_like.cache import Cache
from fleche_like.calls import DigestedCall
from fleche_like.errors import ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.storage import CallStorage

BATCH: Final = 4_000
"""Calls in one transaction: what an interruption undoes, and other writers wait for."""

T = TypeVar("T")
Used: TypeAlias = tuple[int | None, int | None]
"""Bytes of a call's result as stored, and when it was last used, in seconds since 1970."""


@runtime_checkable
class SupportsMany(Protocol):
    """A call storage that saves many calls at once, with their sizes and last uses."""

    def usages(self, keys: Sequence[Digest], /) -> Mapping[Digest, Used]:
        """Return sizes and last uses of the calls that are stored."""
        ...

    def save_many(
        self, calls: Iterable[DigestedCall], usages: Mapping[Digest, Used] | None = None, /
    ) -> None:
        """Store calls."""
        ...


def stored(cache: Cache, key: Digest) -> DigestedCall | None:
    """Return the call of a full key, ``None`` if there is no sound one."""
    lookup: Any = getattr(cache.calls, "lookup", None)
    if lookup is not None:
        call = lookup(key)
        return call if isinstance(call, DigestedCall) else None
    try:
        return cache.calls.load(key)
    except KeyError:
        return None


def usages_of(storage: CallStorage, keys: Sequence[Digest]) -> Mapping[Digest, Used]:
    """Return sizes and last uses of those calls of which they are known."""
    return storage.usages(keys) if isinstance(storage, SupportsMany) else {}


def save_all(
    storage: CallStorage, calls: Sequence[DigestedCall], usages: Mapping[Digest, Used]
) -> None:
    """Store calls with their sizes and last uses, as far as the storage keeps these."""
    if isinstance(storage, SupportsMany):
        storage.save_many(calls, usages)
        return
    for call in calls:
        storage.save(call)


def in_batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield items in lists of ``size``; the last may be shorter."""
    rest = iter(items)
    while batch := [*itertools.islice(rest, size)]:
        yield batch


def require_writable(*caches: Cache) -> None:
    """Refuse caches that were opened read-only, before anything is done.

    Raises:
        ReadOnlyError: one was.
    """
    for cache in caches:
        if cache.read_only:
            raise ReadOnlyError(f"{cache!r} was opened read-only", url=cache.url)
