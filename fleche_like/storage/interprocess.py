"""Locks among all threads and processes that use one place."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Hashable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

from fleche_like.errors import ConfigError
from fleche_like.storage.lock_places import Exclusive, LockPlace, place_of
from fleche_like.storage.stripes import entered, stripe_of, stripes_of
from fleche_like.support.forks import renew_after_fork

STRIPES: Final = 64

FIRST_PAUSE_S: Final = 0.0002
LONGEST_PAUSE_S: Final = 0.1
"""Between two attempts, on a server; locks that are cheaper to ask say so themselves."""


class _Threads:
    """Which threads of this process hold stripes, and how often each."""

    def __init__(self) -> None:
        self.locks = tuple(threading.RLock() for _ in range(STRIPES))
        self.depths = [0] * STRIPES


class InterProcessLocks:
    """Locks by stripe, re-entrant in each thread, exclusive among threads and processes.

    A process that dies holds nothing any more. A forked child holds none of its parent's.

    Args:
        exclusive: the locks among processes.
    """

    def __init__(self, exclusive: Exclusive) -> None:
        self._exclusive = exclusive
        self._longest_pause_s = getattr(exclusive, "longest_pause_s", LONGEST_PAUSE_S)
        weakref.finalize(self, exclusive.close)
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._threads = _Threads()

    def of(self, key: str) -> AbstractContextManager[None]:
        """Return the lock of a digest, to be held."""
        return self._held(stripe_of(key, STRIPES))

    def of_many(self, keys: Iterable[str]) -> AbstractContextManager[None]:
        """Return the locks of several digests, taken in ascending order."""
        locks: AbstractContextManager[None] = entered(
            [self._held(number) for number in stripes_of(keys, STRIPES)]
        )
        return locks

    @contextlib.contextmanager
    def _held(self, number: int) -> Iterator[None]:
        threads = self._threads
        with threads.locks[number]:
            if not threads.depths[number]:
                self._wait_for(_name(number))
            threads.depths[number] += 1
            try:
                yield
            finally:
                threads.depths[number] -= 1
                # In a child forked meanwhile the lock is its parent's.
                if not threads.depths[number] and threads is self._threads:
                    self._exclusive.release(_name(number))

    def _wait_for(self, name: str) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._exclusive.try_acquire(name):
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, self._longest_pause_s)


def _name(number: int) -> str:
    """Return the digest that stands for a stripe: far from those of others in every bit."""
    return f"{number:02x}".ljust(32, "0")


class _Places:
    """The locks of all places that are in use in this process.

    By place, for two storages over one place lock the same things; a thread that is inside both
    must not wait for itself.
    """

    def __init__(self) -> None:
        self._open: weakref.WeakValueDictionary[Hashable, InterProcessLocks] = (
            weakref.WeakValueDictionary()
        )
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._guard = threading.Lock()

    def at(self, place: LockPlace) -> InterProcessLocks:
        with self._guard:
            found = self._open.get(place.identity)
            if found is None:
                found = self._open[place.identity] = InterProcessLocks(place.open())
            return found


_places: Final = _Places()


class LocksOf:
    """The locks of one storage or cache, found when they are first needed; pickles without them."""

    def __init__(self) -> None:
        self._found: InterProcessLocks | None = None

    def found(self, owner: Any) -> InterProcessLocks:
        """Return the locks.

        Args:
            owner: the storage or cache.

        Raises:
            ConfigError: no other process could see them.
        """
        if self._found is None:
            self._found = _places.at(_required_place(owner))
        return self._found

    def __reduce__(self) -> tuple[Any, ...]:
        return LocksOf, ()


def _required_place(owner: Any) -> LockPlace:
    place = place_of(owner)
    if place is None:
        raise ConfigError(
            f"{type(owner).__name__} is neither in a local folder nor on a database server with "
            "advisory locks: there is no place for locks that other processes see",
            source="InterProcessLockMixin",
        )
    return place
