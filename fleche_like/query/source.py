"""What a query asks of whatever holds the calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from fleche_like.calls import Grouping, Groups, LazyCall, Selection
from fleche_like.hashing import Digest


@runtime_checkable
class QuerySource(Protocol):
    """A holder of calls that answers selections; caches implement it.

    Every method may raise what the storages under it raise. A source is asked again each time a
    query is iterated, counted or shown: nothing is kept between.
    """

    def select(self, selection: Selection) -> Iterator[LazyCall]:
        """Yield the selected calls: conditions, then order, then offset, then limit."""
        ...

    def count(self, selection: Selection) -> int:
        """Return how many calls meet the template and conditions of ``selection``."""
        ...

    def evict(self, key: Digest | str) -> None:
        """Remove one call; silent if its full key is absent."""
        ...

    def shrink_keys(self, keys: Sequence[Digest]) -> Sequence[Digest]:
        """Return a short digest for each key, in the order given, as one batch."""
        ...

    def load_values(self, digests: Sequence[Digest]) -> dict[Digest, Any]:
        """Load values as one batch; those that are not there are left out."""
        ...


@runtime_checkable
class AggregatingSource(Protocol):
    """A source that aggregates calls better than by reading them all."""

    def aggregate(self, selection: Selection, grouping: Grouping) -> Groups:
        """Return the groups of the selected calls, with their figures."""
        ...
