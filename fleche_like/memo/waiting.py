"""Waiting for somebody else's turn, in threads and on loops, and never in a circle.

In this process a turn wakes those who wait for it. A lease is polled, with pauses that grow.

A body may ask for other keys, so waits can go round: A waits for B, and B for A. Whoever would
close such a circle runs the body too instead: twice is better than never. Inside one process
circles are found in what each turn waits for. Among processes, who waits inside A for B takes a
lease in the name of the pair, and looks whether anybody has the one that closes the circle: inside
B, for A. Longer circles among three and more processes end after :data:`PATIENCE_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from xxhash import xxh3_128_hexdigest

from fleche_like.memo.flight import End, Turn, process, release
from fleche_like.memo.loops import has_loop, off_the_loop

CHECK_S: Final = 0.2
"""How often one who waits inside a turn looks for circles."""

PATIENCE_S: Final = 600.0
"""After this, one who waits inside a turn runs the body too."""

FIRST_PAUSE_S: Final = 0.001
LONGEST_PAUSE_S: Final = 0.2
"""Between two questions to a server. A file is asked more often: it costs a microsecond."""

_FOREVER_S: Final = 3600.0


def wait(turn: Turn) -> bool:
    """Wait until a key can be had or its result may be there; then as :meth:`Turn.take`.

    Args:
        turn: one whose ``take`` returned ``False``.

    Raises:
        BaseException: whatever interrupts the wait; nothing is left behind.
    """
    waiting = _Wait(turn)
    try:
        waiting.begin()
        while (pause_s := waiting.next_pause_s()) is not None:
            waiting.sleep(pause_s)
    finally:
        try:
            waiting.close()
        except BaseException:
            waiting.close()
            raise
    return waiting.resumed()


async def wait_on_loop(turn: Turn) -> bool:
    """Wait like :func:`wait` without blocking the asyncio loop, and not at all on another one.

    Raises:
        BaseException: whatever interrupts the wait, a cancellation above all.
    """
    if not has_loop():
        return True
    waiting = _Wait(turn)
    step = _in_place if turn.is_quick else off_the_loop
    try:
        waiting.begin()
        while (pause_s := await step(waiting.next_pause_s)) is not None:
            await waiting.sleep_on_loop(pause_s)
    finally:
        await step(waiting.close)
    return bool(await step(waiting.resumed))


async def _in_place(step: Callable[[], Any]) -> Any:
    return step()


class _Wait:
    """One caller's wait."""

    def __init__(self, turn: Turn) -> None:
        assert turn.ahead is not None
        self._turn = turn
        self._ahead = turn.ahead
        self._polls = turn.ahead is turn
        self._chain = [*turn.chain()]
        self._pairs: list[str] = []
        self._pause_s = FIRST_PAUSE_S
        self._longest_pause_s = getattr(turn.leases, "longest_pause_s", LONGEST_PAUSE_S)
        self._patient_until = time.monotonic() + PATIENCE_S
        self._check_at = 0.0

    def begin(self) -> None:
        """Let others see what the turns around this one wait for."""
        with process.guard:
            for outer in self._chain:
                outer.awaited[self] = self._ahead

    def next_pause_s(self) -> float | None:
        """Return how long to sleep before asking again; ``None`` when the wait is over."""
        if self._ahead.ended is not None or (self._chain and self._is_time_to_give_up()):
            return None
        if not self._polls:
            return CHECK_S if self._chain else _FOREVER_S
        if self._turn.lease():
            return None
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 1.5, self._longest_pause_s)
        return pause_s

    def sleep(self, pause_s: float) -> None:
        """Sleep in this thread; shorter if the turn ahead ends."""
        if self._polls:
            time.sleep(pause_s)
            return
        event = threading.Event()
        if self._wake_by(event, event.set):
            try:
                event.wait(pause_s)
            finally:
                self._no_longer(event)

    async def sleep_on_loop(self, pause_s: float) -> None:
        """Sleep on the running loop; shorter if the turn ahead ends."""
        if self._polls:
            await asyncio.sleep(pause_s)
            return
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(woken.set)

        if self._wake_by(woken, wake):
            try:
                async with asyncio.timeout(pause_s):
                    await woken.wait()
            except TimeoutError:
                pass
            finally:
                self._no_longer(woken)

    def resumed(self) -> bool:
        """Return whether the caller is to run the body now, if there still is no result."""
        if self._polls or self._ahead.ended in {None, End.UNCACHED}:
            return True  # with the lease; else beside the others: there is nothing to wait for
        return self._turn.take()

    def close(self) -> None:
        """Leave nothing behind; interrupted, to be called again."""
        with process.guard:
            for outer in self._chain:
                outer.awaited.pop(self, None)
        for pair in self._pairs:
            release(self._turn.leases, pair)

    def _wake_by(self, token: object, wake: Callable[[], object]) -> bool:
        with process.guard:
            if self._ahead.ended is not None:
                return False
            self._ahead.waiting[token] = wake
            return True

    def _no_longer(self, token: object) -> None:
        with process.guard:
            self._ahead.waiting.pop(token, None)

    # Circles

    def _is_time_to_give_up(self) -> bool:
        now = time.monotonic()
        if now < self._check_at:
            return False
        self._check_at = now + CHECK_S
        return now > self._patient_until or self._closes_a_circle()

    def _closes_a_circle(self) -> bool:
        with process.guard:
            reached = _reached_from(self._ahead)
        if not reached.isdisjoint(self._chain):
            return True
        elsewhere = [turn for turn in reached if turn.leases is not None and not turn.leased]
        try:
            # Each of them, even after the first that answers: the others look for what we say.
            return any([self._is_paired(turn) for turn in elsewhere])  # noqa: C419
        except OSError:  # the server is away; there is another time
            return False

    def _is_paired(self, elsewhere: Turn) -> bool:
        """Say that we wait for a key of another process; return whether it waits for one of ours.

        All are said before any answer is used: the other one looks for them too.
        """
        ours = [outer for outer in self._chain if outer.leased and outer.place is elsewhere.place]
        for outer in ours:
            self._say(_pair(outer.key, elsewhere.key))
        return any(self._is_said(_pair(elsewhere.key, outer.key)) for outer in ours)

    def _say(self, pair: str) -> None:
        leases = self._turn.leases
        if leases is not None and pair not in self._pairs and leases.try_acquire(pair):
            self._pairs += [pair]  # without a call, which could be interrupted first

    def _is_said(self, pair: str) -> bool:
        leases = self._turn.leases
        if leases is None or not leases.try_acquire(pair):
            return leases is not None
        try:
            leases.release(pair)
        except BaseException:
            leases.release(pair)
            raise
        return False


def _reached_from(turn: Turn) -> set[Turn]:
    reached, waiting = {turn}, [turn]
    while waiting:
        new = set(waiting.pop().awaited.values()) - reached
        reached |= new
        waiting += new
    return reached


def _pair(inside: str, awaited: str) -> str:
    return xxh3_128_hexdigest(f"{inside}>{awaited}".encode())
