"""Locks by key among the threads of one process: a fixed number of them, shared by all keys."""

from __future__ import annotations

import threading
from typing import Final

from fleche_like.support.forks import renew_after_fork

_STRIPES: Final = 64


class Stripes:
    """A lock for each key, which it may share with other keys. Take one at a time.

    In a forked child all of them are free: the threads that held them are not there.
    """

    def __init__(self) -> None:
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))

    def of(self, key: str) -> threading.Lock:
        """Return the lock of a normal key."""
        return self._locks[hash(key) % _STRIPES]
