"""Lock mixins: each wraps the operations of any storage or cache in a lock.

Put them before the class they protect: ``class Safe(PerKeyLockMixin, BackendValueStorage)``.
They compose with each other, in any order, and with plain classes and dataclasses (frozen ones
included), and a pickled instance gets fresh locks.

What keeps them from deadlocks is one order that everybody takes locks in: those of a mixin before
those of the next one in the MRO, and among them ascending stripes. Therefore an operation on
several keys takes all the locks of one mixin before any of the next, and enters the contexts of
the single keys, which find their locks held, only then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self

from fleche_like.hashing import Digest
from fleche_like.storage.base import Intent, OperationContext
from fleche_like.storage.interprocess import InterProcessLocks, LocksOf
from fleche_like.storage.readwrite import ReadWriteStripes
from fleche_like.storage.stripes import LockStripes

__all__ = ["InterProcessLockMixin", "PerKeyLockMixin", "ReadWriteLockMixin", "SerializingMixin"]


class SerializingMixin(OperationContext):
    """One operation at a time on the whole storage: a single re-entrant lock per instance."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        self = super().__new__(cls)
        # Not an attribute assignment: a frozen dataclass refuses those.
        self.__dict__["_serializing_lock"] = LockStripes(1)
        return self

    @contextlib.contextmanager
    def _operation_context(
        self, key: Digest | str, *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        lock: LockStripes = self.__dict__["_serializing_lock"]
        with lock.of(key), super()._operation_context(key, intent=intent):
            yield

    @contextlib.contextmanager
    def _operation_contexts(
        self, keys: Iterable[Digest | str], *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        lock: LockStripes = self.__dict__["_serializing_lock"]
        with lock.of(""), super()._operation_contexts(keys, intent=intent):
            yield


class PerKeyLockMixin(OperationContext):
    """One operation at a time on each key: striped re-entrant locks per instance.

    Keys are spread over ``lock_stripes`` locks, so that two keys may now and then wait for each
    other, and no lock is ever created or forgotten while the storage is in use.
    """

    lock_stripes: ClassVar[int] = 64

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        self = super().__new__(cls)
        self.__dict__["_key_locks"] = LockStripes(cls.lock_stripes)
        return self

    @contextlib.contextmanager
    def _operation_context(
        self, key: Digest | str, *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        locks: LockStripes = self.__dict__["_key_locks"]
        with locks.of(key), super()._operation_context(key, intent=intent):
            yield

    @contextlib.contextmanager
    def _operation_contexts(
        self, keys: Iterable[Digest | str], *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        locks: LockStripes = self.__dict__["_key_locks"]
        wanted = [*keys]
        with locks.of_many(wanted), super()._operation_contexts(wanted, intent=intent):
            yield


class ReadWriteLockMixin(OperationContext):
    """Any number of readers of a key, or one writer: striped read-write locks per instance.

    Who waits is served in the order of arrival, so that readers never starve a writer. Locks are
    re-entrant; a write inside a read is refused with
    :class:`~fleche_like.errors.LockUpgradeError`, since two of them could wait for each other:
    enter the context with ``Intent.WRITE`` to check and then write.
    """

    lock_stripes: ClassVar[int] = 64

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        self = super().__new__(cls)
        self.__dict__["_read_write_locks"] = ReadWriteStripes(cls.lock_stripes)
        return self

    @contextlib.contextmanager
    def _operation_context(
        self, key: Digest | str, *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        locks: ReadWriteStripes = self.__dict__["_read_write_locks"]
        shared = intent is Intent.READ
        with locks.of(key, shared=shared), super()._operation_context(key, intent=intent):
            yield

    @contextlib.contextmanager
    def _operation_contexts(
        self, keys: Iterable[Digest | str], *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        locks: ReadWriteStripes = self.__dict__["_read_write_locks"]
        wanted, shared = [*keys], intent is Intent.READ
        with (
            locks.of_many(wanted, shared=shared),
            super()._operation_contexts(wanted, intent=intent),
        ):
            yield


class InterProcessLockMixin(OperationContext):
    """One operation at a time on each key among all processes, reads included.

    The locks are in a file beside what is stored, or advisory locks of its database server; so a
    process that dies, even by SIGKILL, holds none. They are striped and re-entrant in a thread;
    storages over one place share theirs. Who waits asks again and again, with pauses that grow.

    What is stored in a bucket of a server, in memory, or on a platform without file locks has no
    place for them.

    Raises:
        ConfigError: there is no such place; where a subclass has an ``__init__`` of its own that
            does not call this one, at the first operation.
    """

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        self = super().__new__(cls)
        self.__dict__["_interprocess_locks"] = LocksOf()
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._locks_among_processes()

    def _locks_among_processes(self) -> InterProcessLocks:
        found: LocksOf = self.__dict__["_interprocess_locks"]
        return found.found(self)

    @contextlib.contextmanager
    def _operation_context(
        self, key: Digest | str, *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        locks = self._locks_among_processes()
        with locks.of(key), super()._operation_context(key, intent=intent):
            yield

    @contextlib.contextmanager
    def _operation_contexts(
        self, keys: Iterable[Digest | str], *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        locks, wanted = self._locks_among_processes(), [*keys]
        with locks.of_many(wanted), super()._operation_contexts(wanted, intent=intent):
            yield
