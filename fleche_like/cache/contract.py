"""What the floors above ask of a cache: the contract that :class:`Cache` and compositions keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSet, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, runtime_checkable

from fleche_like.cache.leases import Leases
from fleche_like.cache.prepared import ArgumentsKept
from fleche_like.cache.stats import CacheStats, Meter
from fleche_like.calls import Call, DigestedCall, LazyCall, PreparedCall, Selection, Version
from fleche_like.hashing import Digest
from fleche_like.query import Lineage, Query
from fleche_like.storage import CallStorage, Intent, ValueStorage
from fleche_like.support.sentinel import Missing


@runtime_checkable
class CacheContract(Protocol):
    """A cache as memoized functions, queries, maintenance and the command line use it.

    It is hashable by identity, can be referred to weakly, pickles as its configuration, and is a
    context manager that closes it. A result is the caller's own; ``MISSING`` is no result.
    ``tests`` of the contract are :class:`fleche_like.testing.caches.CacheSuite`.

    Attributes:
        values: its values by digest.
        calls: its calls by key.
        read_only: whether it refuses to save and to evict.
        url: what it is called, without secrets.
        leases: who computes what, among processes; ``None`` if only this one can tell.
        meters: what had hits from it; to be added to.
    """

    values: ValueStorage
    calls: CallStorage
    read_only: bool
    url: str
    leases: Leases | None

    @property
    def meters(self) -> MutableSet[Meter]:
        """What had hits from it."""
        ...

    def lookup(self, key: Digest) -> Any | Missing:
        """Return the result of a call, or ``MISSING``."""
        ...

    def lookup_many(self, keys: Iterable[Digest]) -> dict[Digest, Any]:
        """Return the results of those of many calls that are stored."""
        ...

    def lookup_mapped(self, key: Digest, mmap: bool | Literal["verify"]) -> Any | Missing:
        """Return a result with large arrays mapped or not."""
        ...

    def recall(self, key: Digest) -> Any | Missing:
        """Return a result if that takes microseconds, or ``MISSING``."""
        ...

    def contains(self, key: Digest | str) -> bool:
        """Return whether a call is stored under a full or short key."""
        ...

    def load(self, key: Digest | str) -> LazyCall:
        """Return a stored call."""
        ...

    def load_value(self, digest: Digest | str) -> Any:
        """Return a stored value."""
        ...

    def load_values(self, digests: Sequence[Digest]) -> dict[Digest, Any]:
        """Return those of many values that are stored."""
        ...

    def prepare(
        self,
        call: Call,
        digested: DigestedCall | None = None,
        *,
        arguments: ArgumentsKept = "auto",
    ) -> PreparedCall:
        """Seal a call before its body runs."""
        ...

    def commit(
        self,
        prepared: PreparedCall,
        result: Any,
        metadata: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Digest] | None = None,
    ) -> Digest:
        """Store the result of a prepared call, then its record."""
        ...

    def adopt(self, call: DigestedCall, result: Any) -> None:
        """Store a finished call of another cache as it is."""
        ...

    def save(self, call: Call) -> Digest:
        """Store a call whose result is known."""
        ...

    def evict(self, key: Digest | str) -> None:
        """Remove the record of a call."""
        ...

    def expand(self, key: Digest | str) -> Digest:
        """Return the full key that a short one stands for."""
        ...

    def shrink_keys(self, keys: Sequence[Digest]) -> Sequence[Digest]:
        """Return a short key for each key."""
        ...

    def query(self, template: Any = None, /) -> Query:
        """Return the stored calls that match."""
        ...

    def select(self, selection: Selection) -> Iterator[LazyCall]:
        """Yield the calls of a selection."""
        ...

    def count(self, selection: Selection) -> int:
        """Return how many calls a selection yields."""
        ...

    def lineage(self, of: Any) -> Lineage:
        """Return what a value or call came from, and what became of it."""
        ...

    def codes(self, name: str, module: str | None, version: Version = None) -> list[Digest]:
        """Return the code digests under which calls of a function were stored."""
        ...

    def manifest(self, code: Digest | str) -> Mapping[str, str]:
        """Return what went into a code digest."""
        ...

    def figures(self, name: str, module: str | None) -> tuple[int, int | None, float | None]:
        """Return what the stored calls of a function amount to."""
        ...

    def stats(self) -> CacheStats:
        """Return counts."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...

    def _operation_context(
        self, key: Digest | str, *, intent: Intent = ...
    ) -> AbstractContextManager[Any]: ...
