"""Locks that readers share and writers have alone."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from threading import get_ident
from typing import Any

from fleche_like.errors import LockUpgradeError
from fleche_like.storage.stripes import entered, stripe_of, stripes_of
from fleche_like.support.forks import renew_after_fork


class ReadWriteLock:
    """A lock that any number of readers hold together, or one writer alone.

    Who waits is served in the order of arrival (readers that stand together, together), so that
    neither a stream of readers nor one of writers keeps the other out. Re-entrant: a thread that
    reads may read again even while a writer waits, and one that writes may do either.

    A thread that reads cannot begin to write. Two that did would wait for each other; and one
    alone may hold, beside this lock, another that a reader of this one waits for. So that is
    refused at once, whether it would have to wait or not.

    Thread-safe.

    >>> lock = ReadWriteLock()
    >>> with lock.held(shared=False), lock.held(shared=True):
    ...     pass
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget all holders: in a forked child, where they do not exist."""
        self._changed = threading.Condition(threading.Lock())
        self._readers: dict[int, int] = {}
        self._writer: int | None = None
        self._depth = 0
        self._queue: deque[object] = deque()

    @contextlib.contextmanager
    def held(self, *, shared: bool) -> Iterator[None]:
        """Hold the lock.

        Args:
            shared: whether other readers may hold it too.

        Raises:
            LockUpgradeError: not ``shared``, and this thread reads already.
        """
        self._acquire(get_ident(), shared=shared)
        try:
            yield
        finally:
            self._release(get_ident())

    def _acquire(self, me: int, *, shared: bool) -> None:
        with self._changed:
            if self._writer == me:
                self._depth += 1
                return
            if me in self._readers:
                if not shared:
                    raise LockUpgradeError(
                        "a write inside a read under the same lock could wait for ever; enter "
                        "_operation_context with Intent.WRITE to begin with"
                    )
            elif self._queue or not self._is_free(shared=shared):
                self._wait(shared=shared)
            if shared:
                self._readers[me] = self._readers.get(me, 0) + 1
            else:
                self._writer, self._depth = me, 1

    def _is_free(self, *, shared: bool) -> bool:
        return self._writer is None and (shared or not self._readers)

    def _wait(self, *, shared: bool) -> None:
        place = object()
        self._queue.append(place)
        try:
            while self._queue[0] is not place or not self._is_free(shared=shared):
                self._changed.wait()
        finally:
            # Interrupted or not: whoever stands behind moves up, and a reader may go in too.
            self._queue.remove(place)
            self._changed.notify_all()

    def _release(self, me: int) -> None:
        with self._changed:
            if self._writer == me:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
            elif self._readers.get(me, 0) > 1:
                self._readers[me] -= 1
                return
            else:
                # Nothing to remove in a child that was forked while this was held.
                self._readers.pop(me, None)
            self._changed.notify_all()


class ReadWriteStripes:
    """Read-write locks by stripe; free in a forked child."""

    def __init__(self, count: int) -> None:
        self._locks = tuple(ReadWriteLock() for _ in range(count))
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        for lock in self._locks:
            lock.renew()

    def of(self, key: str, *, shared: bool) -> AbstractContextManager[None]:
        """Return the lock of a digest, to be held."""
        return self._locks[stripe_of(key, len(self._locks))].held(shared=shared)

    def of_many(self, keys: Iterable[str], *, shared: bool) -> AbstractContextManager[None]:
        """Return the locks of several digests, taken in ascending order."""
        numbers = stripes_of(keys, len(self._locks))
        locks: AbstractContextManager[None] = entered(
            [self._locks[number].held(shared=shared) for number in numbers]
        )
        return locks

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadWriteStripes, (len(self._locks),)
