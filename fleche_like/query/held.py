"""Calls held in memory, as a source that can be queried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fleche_like.calls import LazyCall, Selection, select_from
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.query.source import QuerySource


class HeldCalls:
    """A source over calls that were taken from another one.

    The calls are read once, when first needed, and kept from then on: what is stored or evicted
    afterwards does not show. Their values still come from the source behind.

    Args:
        source: where values, short digests and evictions go.
        supply: gives the calls, in order; called once (twice if two threads are first at once,
            of which one answer is kept).
    """

    def __init__(self, source: QuerySource, supply: Callable[[], Iterable[LazyCall]]) -> None:
        self._source = source
        self._supply = supply
        self._held: tuple[LazyCall, ...] | None = None

    def __repr__(self) -> str:
        if self._held is None:
            return "<calls not read yet>"
        return f"<{len(self._held)} calls held>"

    def __getstate__(self) -> dict[str, Any]:
        # The calls travel, what would give them does not: it is mostly a function made in place.
        return {"_source": self._source, "_held": self.held, "_supply": tuple}

    @property
    def held(self) -> tuple[LazyCall, ...]:
        """The calls, read now if they have not been."""
        if self._held is None:
            self._held = tuple(self._supply())
        return self._held

    @property
    def held_count(self) -> int | None:
        """How many calls are held, or None if they have not been read yet."""
        return None if self._held is None else len(self._held)

    def select(self, selection: Selection) -> Iterator[LazyCall]:
        calls = {call.key: call for call in self.held}
        digested = (call.digested for call in calls.values())
        for chosen in select_from(digested, selection, self):
            yield calls[chosen.key]

    def count(self, selection: Selection) -> int:
        return sum(1 for _ in self.select(selection))

    def evict(self, key: Digest | str) -> None:
        self._source.evict(key)

    def shrink_keys(self, keys: Sequence[Digest]) -> Sequence[Digest]:
        return self._source.shrink_keys(keys)

    def load_values(self, digests: Sequence[Digest]) -> dict[Digest, Any]:
        return self._source.load_values(digests)

    def load_value(self, digest: Digest) -> Any:
        """Load one value, for conditions on what is no scalar.

        Raises:
            KeyNotFound: it is not there.
        """
        found = self._source.load_values([digest])
        if digest not in found:
            raise KeyNotFound(f"no value {digest}", key=digest)
        return found[digest]
