"""A call storage that something goes wrong in."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fleche_like.calls import DigestedCall, QueryCall
from fleche_like.errors import DatabaseError
from fleche_like.hashing import Digest
from fleche_like.storage.base import CallStorage
from fleche_like.testing.faults.effects import Kind
from fleche_like.testing.faults.plan import Faults
from fleche_like.testing.faults.wrapping import Faulty, Operation

_KEYED: Final = (str, DigestedCall)


class _StorageOperation(Operation):
    """One call of a storage's method; a call is saved whole or not at all."""

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        first = args[0] if args else ""
        super().__init__(
            name, str(getattr(first, "key", first)) if isinstance(first, _KEYED) else ""
        )

    def error(self, kind: Kind) -> Exception:
        if kind == "no room":
            return super().error(kind)
        passes = kind in {"lost", "conflict"}
        return DatabaseError(f"{kind} during {self.name} {self.key}", url="", transient=passes)


class FaultyCallStorage(Faulty, CallStorage):
    """A call storage that does what another one does, with faults.

    It has the abilities of that one, but for those that go round its methods: reading and writing
    values of the same database in one statement. To strike inside of these, see :func:`inject`.

    Args:
        calls: what it wraps; closed with it.
        faults: what goes wrong when. Operations go by the names of methods, with the key of the
            call they are about.

    Thread-safe as what it wraps. Pickles as storage and plan.
    """

    _abilities = (
        "lookup",
        "lookup_result",
        "lookup_results",
        "save_many",
        "select",
        "count",
        "aggregate",
        "related",
        "codes",
        "figures",
        "save_manifest",
        "manifest",
    )
    # What a cache asks all the time, and what is no operation by itself.
    _untouched = ("transaction", "retrying", "generation", "database", "size_bytes", "close")

    def __init__(self, calls: CallStorage, faults: Faults) -> None:
        super().__init__(calls, faults)
        self.calls = calls

    def save(self, call: DigestedCall, **options: Any) -> Digest:
        return self._done("save", functools.partial(self.calls.save, **options), call)

    def load(self, key: Digest | str) -> DigestedCall:
        return self._done("load", self.calls.load, key)

    def query(self, template: QueryCall) -> Iterable[DigestedCall]:
        return self._done("query", self.calls.query, template)

    def list(self) -> Iterator[Digest]:
        return iter(self._done("list", self.calls.list))

    def contains(self, key: Digest | str) -> bool:
        return self._done("contains", self.calls.contains, key)

    def evict(self, key: Digest | str) -> None:
        self._do("evict", key)

    def expand(self, key: Digest | str) -> Digest:
        return self._done("expand", self.calls.expand, key)

    def shrink(self, /, *keys: Any) -> Any:
        return self._do("shrink", *keys)

    def _contains(self, key: Digest) -> bool:
        return self.contains(key)

    def _evict(self, key: Digest) -> None:
        self.evict(key)

    def _operation(self, name: str, args: tuple[Any, ...]) -> Operation:
        return _StorageOperation(name, args)
