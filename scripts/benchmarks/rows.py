"""What a suite yields: a row of figures, and what the row has to reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from scripts.benchmarks.contest import Samples

OURS = "fleche-like"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Must:
    """A bound on a row: its text, what was measured against it, and whether it holds."""

    text: str
    measured: str
    holds: bool


Bound = Callable[[Samples], Must]


def times_faster_than(peer: str, factor: float) -> Bound:
    """At least ``factor`` times as fast as a peer."""

    def judge(samples: Samples) -> Must:
        speed = samples.speed(OURS, peer)
        return Must(f"≥ {factor:g} × {peer}", f"{speed:.3g} ×", speed >= factor)

    return judge


def within(peer: str, factor: float) -> Bound:
    """At most ``factor`` times the time of a peer."""

    def judge(samples: Samples) -> Must:
        slower = 1 / samples.speed(OURS, peer)
        return Must(f"≤ {factor:g} of {peer}", f"{slower:.3g}", slower <= factor)

    return judge


def under(seconds: float, contender: str = OURS) -> Bound:
    """At most so many seconds, whatever the peers take."""

    def judge(samples: Samples) -> Must:
        taken = samples.median_s(contender)
        where = "" if contender == OURS else f" at {contender}"
        return Must(f"< {seconds * 1e3:g} ms{where}", f"{taken * 1e3:.3g} ms", taken < seconds)

    return judge


@dataclass(frozen=True)
class Row:
    """One thing that was measured for every contender."""

    name: str
    samples: Samples
    bounds: tuple[Bound, ...] = ()
    note: str = ""

    def musts(self) -> list[Must]:
        """The bounds, judged; none where this package did not take part."""
        if OURS not in self.samples.seconds:
            return []
        return [bound(self.samples) for bound in self.bounds]


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    Attributes:
        folder: where contenders keep their files; removed after the run.
        quick: tiny inputs and few rounds, to see that everything works.
        skip: contenders that stay out.
        databases: where generated databases are kept for the next run; in ``folder`` if left out.
        largest: the largest one has ten to the power of this many calls.
    """

    folder: Path
    quick: bool = False
    skip: frozenset[str] = field(default_factory=frozenset)
    databases: Path | None = None
    largest: int = 6

    def rounds(self, full: int) -> int:
        """So many rounds, or a few in a quick run."""
        return min(full, 3) if self.quick else full

    def size(self, full: int, quick: int) -> int:
        """An input's size."""
        return quick if self.quick else full

    def without_skipped(self, entries: dict[str, _T]) -> dict[str, _T]:
        """The contenders that take part."""
        return {name: entry for name, entry in entries.items() if name not in self.skip}


Suite = Callable[[Settings], Iterator[Row]]
