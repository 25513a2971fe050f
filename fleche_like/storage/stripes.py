"""Stripes: a fixed number of locks, numbered in the order of the keys that they guard.

Ascending keys have ascending stripes: whoever locks several keys in ascending order cannot
deadlock with another who does.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from fleche_like.support.forks import renew_after_fork

_DIGITS: Final = 4


def stripe_of(key: str, count: int) -> int:
    """Return the stripe of a digest; whatever is no digest is in the first one.

    >>> stripe_of("0000", 64), stripe_of("ffff", 64), stripe_of("no digest", 64)
    (0, 63, 0)
    """
    try:
        number = int(key[:_DIGITS].ljust(_DIGITS, "0"), 16)
    except ValueError:
        return 0
    return (number * count) >> (4 * _DIGITS)


def stripes_of(keys: Iterable[str], count: int) -> Sequence[int]:
    """Return the stripes of several keys, each once, ascending."""
    return sorted({stripe_of(key, count) for key in keys})


@contextlib.contextmanager
def entered(contexts: Iterable[AbstractContextManager[Any]]) -> Any:
    """Enter contexts one after another, and leave them the other way round."""
    with contextlib.ExitStack() as held:
        for context in contexts:
            held.enter_context(context)
        yield


class LockStripes:
    """Re-entrant locks by stripe.

    A forked child starts with all of them free, since the threads that held them do not exist
    there.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._locks = tuple(threading.RLock() for _ in range(self._count))

    def of(self, key: str) -> AbstractContextManager[Any]:
        """Return the lock that guards a digest."""
        return self._locks[stripe_of(key, self._count)]

    def of_many(self, keys: Iterable[str]) -> AbstractContextManager[Any]:
        """Return the locks that guard several digests, taken in ascending order."""
        return entered([self._locks[number] for number in stripes_of(keys, self._count)])

    def __reduce__(self) -> tuple[Any, ...]:
        return LockStripes, (self._count,)
