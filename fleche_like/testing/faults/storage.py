"""A call storage that something goes wrong in."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fleche_like.calls import DigestedCall, QueryCall
from fleche_like.errors import DatabaseError
from fleche_like.hashing import Digest
from fleche_like.storage.base import CallStorage
from fleche_like.testing.faults.effects import Kind
from fleche_like.testing.faults.plan import Faults

T = TypeVar("T")

_ABILITIES: Final = (
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
_UNTOUCHED: Final = ("transaction", "retrying", "generation", "database", "size_bytes", "close")
"""What a cache asks all the time, and what is no operation by itself."""


class _Operation:
    """One call of a storage's method; a call is saved whole or not at all."""

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        self.name = name
        first = args[0] if args else ""
        self.key = str(getattr(first, "key", first)) if isinstance(first, _KEYED) else ""

    def error(self, kind: Kind) -> Exception:
        if kind == "no room":
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.key)
        passes = kind in {"lost", "conflict"}
        return DatabaseError(f"{kind} during {self.name} {self.key}", url="", transient=passes)

    def do_part(self, _share: float) -> bool:
        return False


_KEYED: Final = (str, DigestedCall)


class FaultyCallStorage(CallStorage):
    """A call storage that does what another one does, with faults.

    It has the abilities of that one, but for those that go round its methods: reading and writing
    values of the same database in one statement. To strike inside of these, see :func:`inject`.

    Args:
        calls: what it wraps; closed with it.
        faults: what goes wrong when. Operations go by the names of methods, with the key of the
            call they are about.

    Thread-safe as what it wraps. Pickles as storage and plan.
    """

    def __init__(self, calls: CallStorage, faults: Faults) -> None:
        self.calls = calls
        self.faults = faults
        # Attributes of the instance, so that protocols see just what is there.
        for name in _ABILITIES:
            if hasattr(calls, name):
                setattr(self, name, functools.partial(self._do, name))
        for name in _UNTOUCHED:
            if hasattr(calls, name):
                setattr(self, name, getattr(calls, name))

    if TYPE_CHECKING:  # the abilities

        def __getattr__(self, name: str) -> Any: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.calls, self.faults)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.calls!r})"

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

    def _do(self, name: str, *args: Any, **options: Any) -> Any:
        return self._done(name, functools.partial(getattr(self.calls, name), **options), *args)

    def _done(self, name: str, method: Callable[..., T], *args: Any) -> T:
        site = _Operation(name, args)
        return self.faults.run(site, lambda: method(*args))  # type: ignore[return-value]
