"""Single flight: one run of a body per key, among threads, tasks and processes.

Whoever wants to run a body takes a :class:`Turn`. In this process the first one to ask for a key
has it, and the others wait for that turn to end. Among processes the turn goes with a lease of the
cache (:mod:`fleche_like.cache.leases`), which dies with its holder; who does not get it polls. A
turn that ends without a stored result is taken over by one of those who wait.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from typing import Final

from fleche_like.cache.leases import Leases
from fleche_like.hashing import Digest
from fleche_like.support.filelocks import FileLocks
from fleche_like.support.forks import renew_after_fork

logger = logging.getLogger(__name__)


class End(enum.Enum):
    """How a turn ended."""

    STORED = "stored"
    FAILED = "failed"
    UNCACHED = "uncached"
    """The body returned what is not stored: who waits any longer would wait for nothing."""


class _Process:
    """The turns of this process by place and key, and the lock that guards them."""

    def __init__(self) -> None:
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self.guard = threading.Lock()
        self.turns: dict[tuple[Hashable, str], Turn] = {}


process: Final = _Process()
_current: Final[ContextVar[Turn | None]] = ContextVar("fleche_like_turn", default=None)


class Turn:
    """One caller's way to a result: to run the body, or to wait for who does.

    To be ended by :meth:`end`, whatever happens.

    Args:
        place: the cache, or whatever else tells equal keys apart.
        key: of the call.
        leases: those of the cache, if it shares any with other processes.

    Attributes:
        outer: the turn inside whose body this one was begun; follows the context into tasks.
        ahead: whose turn it is in this process: possibly this one itself.
        leased: whether the lease was got too.
        ended: how it ended, once it has.
        is_over: whether all is given back by then.
        awaited: the turns that callers inside this one wait for, by who waits; under the guard of
            the process.
        waiting: whom to wake at the end; under the same guard.

    ::

        turn, how = Turn(cache, key, cache.leases), End.FAILED
        try:
            ours = turn.take()
            while nothing is stored and not ours:
                ours = wait(turn)           # and look again
            if nothing is stored:
                turn.begin()
                run the body, and store
                turn.leave()                # in any case
            how = End.STORED
        finally:
            try:
                turn.end(how)
            except BaseException:           # Ctrl-C, before it had begun or in the middle of it
                turn.end(how)
                raise
    """

    __slots__ = (
        "ahead", "awaited", "ended", "is_over", "key", "leased", "leases", "outer", "place",
        "waiting",
    )  # fmt: skip

    def __init__(self, place: Hashable, key: Digest, leases: Leases | None) -> None:
        self.place = place
        self.key = key
        self.leases = leases
        self.outer = _current.get()
        self.ahead: Turn | None = None
        self.leased = False
        self.ended: End | None = None
        self.is_over = False
        self.awaited: dict[object, Turn] = {}
        self.waiting: dict[object, Callable[[], object]] = {}

    @property
    def is_quick(self) -> bool:
        """Whether taking and giving back takes microseconds: no server is asked."""
        return self.leases is None or isinstance(self.leases, FileLocks)

    def take(self) -> bool:
        """Return whether the caller is to run the body, if nothing is stored.

        Never waits, but may ask a server. ``False``: somebody else may be at it.
        """
        if self.outer is not None and self._is_inside_itself():
            return True
        self.ahead = self  # before others see it: whatever interrupts this, `end` takes it away
        with process.guard:
            ahead = process.turns.setdefault((self.place, self.key), self)
        self.ahead = ahead
        return ahead is self and self.lease()

    def _is_inside_itself(self) -> bool:
        return any(turn.key == self.key and turn.place is self.place for turn in self.chain())

    def chain(self) -> Iterator[Turn]:
        """Yield the turns that this one is inside of, unless they have ended."""
        turn = self.outer
        while turn is not None:
            if turn.ended is None:
                yield turn
            turn = turn.outer

    def lease(self) -> bool:
        """Take the lease if nobody has it; return whether there is none to wait for."""
        if self.leases is None:
            return True
        try:
            self.leased = self.leases.try_acquire(self.key)
        except OSError as problem:
            # Then there is single flight in this process only: no reason to give up caching.
            logger.debug("no lease of %s", self.key, exc_info=problem)
            return True
        return self.leased

    def begin(self) -> None:
        """Make this turn the one that further turns of this context are inside of."""
        _current.set(self)

    def leave(self) -> None:
        """Undo :meth:`begin`."""
        # Not by a token: a coroutine may be driven in one context and closed in another.
        _current.set(self.outer)

    def end(self, how: End) -> None:
        """Let those who wait go on; silent the second time.

        Interrupted anywhere, it has to be called again, and then does what is left to do.

        Args:
            how: what they can expect. A stored result is visible by now.
        """
        if self.is_over:
            return
        if self.ended is None:
            self.ended = how
        if self.leased:
            release(self.leases, self.key)
        if self.ahead is self:
            self._wake_others()
        self.is_over = True

    def _wake_others(self) -> None:
        with process.guard:
            if process.turns.get((self.place, self.key)) is self:
                del process.turns[self.place, self.key]
            waiting = [*self.waiting.values()]
        for wake in waiting:
            wake()


def release(leases: Leases | None, key: str) -> None:
    """Give a lease back; a failure to do so is not the caller's."""
    try:
        if leases is not None:
            leases.release(key)
    except Exception:
        logger.warning("the lease of %s was not given back in order", key, exc_info=True)
