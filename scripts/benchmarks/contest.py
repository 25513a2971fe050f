"""Timing several contenders against each other on a noisy machine.

Everything that is compared is timed in turns within one round, in an order that rotates, so that a
slow moment of the machine falls on all of them; what is compared is the median over rounds of the
ratio within a round, never a ratio of two times taken minutes apart.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

Entry = Callable[[], object]


@dataclass(frozen=True)
class Samples:
    """Seconds per call of every contender: one figure per round."""

    seconds: Mapping[str, list[float]]

    def median_s(self, name: str) -> float:
        """The median time of one call, in seconds."""
        return statistics.median(self.seconds[name])

    def speed(self, name: str, reference: str) -> float:
        """How many times faster ``name`` is than ``reference``: the median of per-round ratios."""
        pairs = zip(self.seconds[name], self.seconds[reference], strict=True)
        return statistics.median(theirs / mine for mine, theirs in pairs)

    def over(self, reference: str) -> Samples:
        """What each contender takes beyond ``reference`` in the same round, in seconds."""
        base = self.seconds[reference]
        beyond = {
            name: [mine - theirs for mine, theirs in zip(times, base, strict=True)]
            for name, times in self.seconds.items()
            if name != reference
        }
        return Samples(beyond)


def contest(
    entries: Mapping[str, Entry],
    *,
    rounds: int,
    number: int | None = None,
    block_s: float = 0.002,
    patience_s: float = 3.0,
    before_each: Callable[[], object] | None = None,
) -> Samples:
    """Time the entries in turns.

    Args:
        entries: what to call, by contender.
        rounds: how many times each contender has its turn.
        number: calls in one turn; by default as many as fill ``block_s``.
        block_s: length of one turn in seconds.
        patience_s: a contender whose single call takes longer is timed once, and that one
            time stands for every round. Only with ``number=None``.
        before_each: untimed work before every turn, as a change to the input.
    """
    seconds: dict[str, list[float]] = {name: [] for name in entries}
    turns, once = _plan(entries, number, block_s, patience_s, before_each)
    names = list(entries)
    with _collector_at_rest():
        for turn in range(rounds):
            shift = turn % len(names)
            for name in names[shift:] + names[:shift]:
                if name in once:
                    seconds[name].append(once[name])
                    continue
                if before_each is not None:
                    before_each()
                seconds[name].append(_time(entries[name], turns[name]))
    return Samples(seconds)


def _plan(
    entries: Mapping[str, Entry],
    number: int | None,
    block_s: float,
    patience_s: float,
    before_each: Callable[[], object] | None,
) -> tuple[dict[str, int], dict[str, float]]:
    if number is not None:
        return dict.fromkeys(entries, number), {}
    turns: dict[str, int] = {}
    once: dict[str, float] = {}
    for name, entry in entries.items():
        if before_each is not None:
            before_each()
        first = _time(entry, 1)  # also warms up
        if first > patience_s:
            once[name] = first
        elif first > block_s:
            turns[name] = 1
        else:
            turns[name] = max(1, int(block_s / _time(entry, 3)))
    return turns, once


def _time(entry: Entry, number: int) -> float:
    clock = time.perf_counter
    start = clock()
    for _ in itertools.repeat(None, number):
        entry()
    return (clock() - start) / number


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the garbage collector out of the turns, as ``timeit`` does."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
