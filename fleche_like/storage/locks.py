"""Lock mixins: each wraps the operations of any storage or cache in a lock.

Put them before the class they protect: ``class Safe(PerKeyLockMixin, BackendValueStorage)``.
They compose with each other and with plain classes and dataclasses (frozen ones included), need
no ``__init__`` of their own, and a pickled instance gets fresh locks.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Self

from fleche_like.hashing import Digest
from fleche_like.storage.base import Intent, OperationContext
from fleche_like.support.forks import renew_after_fork

__all__ = ["PerKeyLockMixin", "SerializingMixin"]

_STRIPE_DIGITS: Final = 4


class LockStripes:
    """A fixed number of re-entrant locks, numbered in the order of the keys they guard.

    Ascending keys have ascending stripes: whoever locks several keys in ascending order cannot
    deadlock with another who does. A forked child starts with all of them free, since the
    threads that held them do not exist there.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._locks = tuple(threading.RLock() for _ in range(self._count))

    def of(self, key: str) -> contextlib.AbstractContextManager[bool]:
        """Return the lock that guards a digest; whatever is no digest shares the first one."""
        try:
            number = int(key[:_STRIPE_DIGITS].ljust(_STRIPE_DIGITS, "0"), 16)
        except ValueError:
            return self._locks[0]
        return self._locks[(number * self._count) >> (4 * _STRIPE_DIGITS)]

    def __reduce__(self) -> tuple[Any, ...]:
        return LockStripes, (self._count,)


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
