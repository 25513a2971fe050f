"""How a cache writes a call and its result: plainly, or straight into the database they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from fleche_like.backends import ByteBackend
from fleche_like.cache.abilities import transaction_of
from fleche_like.cache.keeping import Keeping
from fleche_like.calls import DigestedCall
from fleche_like.codecs import Buffer
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage, CallStorage, ValueStorage
from fleche_like.storage.base import OperationContext
from fleche_like.storage.divided import Divided, stored_bytes
from fleche_like.storage.values import OVERWRITTEN_BYTES

T = TypeVar("T")

Saver: TypeAlias = Callable[[DigestedCall, Any], object]
"""Stores a call and the result whose digest it has; all or nothing."""


class Saves(Protocol):
    """Writes a call and the bytes of its result at once."""

    def save(self, call: DigestedCall, digest: Digest, result: bytes) -> None:
        """Store both or neither."""
        ...


@runtime_checkable
class SupportsSaves(Protocol):
    """A call storage that may share a database with values."""

    def save(self, call: DigestedCall, *, size_bytes: int | None = None) -> Digest:
        """Store a call, and how large its result is."""
        ...

    def saves_with(self, values: ByteBackend, container: str) -> Saves | None:
        """Return what writes both at once, if they do."""
        ...


@runtime_checkable
class SupportsRetrying(Protocol):
    """A storage that runs a unit of work again if its server undid it."""

    def retrying(self, action: Callable[[], T]) -> T:
        """Run ``action`` in a transaction."""
        ...


class UnitOfWork:
    """Runs what has to be written together, in transactions of both storages."""

    def __init__(self, values: ValueStorage, calls: CallStorage) -> None:
        self._begin_calls = transaction_of(calls)
        self._begin_values = transaction_of(values)
        self._retrying = _retrying_of(calls)

    def run(self, action: Callable[[], object]) -> None:
        """Run ``action``; its writes commit together where the storages can do that."""

        def together() -> None:
            with self._begin_calls(), self._begin_values():
                action()

        self._retrying(together)


def _retrying_of(calls: CallStorage) -> Callable[[Callable[[], Any]], Any]:
    """Return what runs a unit of work, and again where a server undid it."""
    return calls.retrying if isinstance(calls, SupportsRetrying) else _once


def _once(action: Callable[[], T]) -> T:
    return action()


def straight_saver(values: ValueStorage, calls: CallStorage) -> Saver | None:
    """Return what stores a call and its result in one go, or ``None`` where only the plain way is.

    That is the way of values and calls in one database without locks of their own around them. It
    does what :meth:`~fleche_like.cache.Cache.commit` does step by step; results that may be large
    or there already are put first, as there.
    """
    if not (isinstance(values, BackendValueStorage) and isinstance(calls, SupportsSaves)):
        return None
    if _changes(values, "put_encoded") or _changes(calls, "saves_with"):
        return None
    saves = calls.saves_with(values.backend, values.prefix)
    if saves is None:
        return None
    sized, encode, save = calls, values.encode, saves.save
    keeping, retrying = Keeping(values, calls), _retrying_of(calls)

    def store_large(call: DigestedCall, digest: Digest, parts: Sequence[Buffer]) -> None:
        is_kept = keeping.put_encoded(values, parts, digest)
        sized.save(call, size_bytes=stored_bytes(parts))
        if not is_kept:
            values.put_once(parts, digest)

    def store(call: DigestedCall, result: Any) -> None:
        digest: Digest = call.result  # type: ignore[assignment]  # a finished call has one
        parts = encode(result, digest)
        if sum(map(len, parts)) > OVERWRITTEN_BYTES or isinstance(parts, Divided):
            retrying(lambda: store_large(call, digest, parts))
        else:
            save(call, digest, b"".join(parts))

    return store


def _changes(storage: OperationContext, ability: str) -> bool:
    """Whether a subclass has its own way of saving, or a context such as a lock around it.

    Args:
        storage: what the class is of.
        ability: what the class brings that is told from its subclasses.
    """
    kind = type(storage)
    base: Any = next(each for each in kind.__mro__ if ability in vars(each))
    if kind._operation_context is not OperationContext._operation_context:
        return True
    names = ("save", "put", "encode", "put_encoded")
    return any(getattr(kind, name, None) is not getattr(base, name, None) for name in names)
