"""Synthetic calls of three functions: the same ones for the same count, on every machine.

A call has three small arguments, runtime metadata, and a number or a small dict as its result:

=========  ===================================================================================
alpha      a float below 1 with 7 digits; no two calls have the same
steps      an integer; exactly :data:`ALIKE` calls share one, and all of them are of one function
solver     one of four texts
result     a float, or for one call in four a dict of three scalars, of which there are
           :data:`DICTS` in all
=========  ===================================================================================

Eight in ten calls are of ``simulate``, one each of ``train`` and ``evaluate``. Neighbours in time
have nothing else in common: what a query finds lies all over the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from fleche_like.calls import Call, DigestedCall
from fleche_like.hashing import Digest

ALIKE: Final = 1000
"""Calls that share a number of steps."""

DICTS: Final = 500
MODULE: Final = "project.model"
SOLVERS: Final = ("lu", "cg", "gmres", "bicgstab")
CODES: Final = {
    "simulate": Digest("3f9a5c0e8b7d4a1296f0e2d1c3b4a596"),
    "train": Digest("b1e7d2a4c9f8035e6a7b8c9d0e1f2a3b"),
    "evaluate": Digest("07c1f6e5d4b3a29881706f5e4d3c2b1a"),
}

MOST_CALLS: Final = 10_000_019  # a prime, so that every factor below it permutes
_FUNCTIONS: Final = ("simulate",) * 8 + ("train", "evaluate")
_FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
_MASK: Final = 2**64 - 1


class Made(NamedTuple):
    """What one call is made of."""

    name: str
    alpha: float
    steps: int
    solver: str
    started: datetime
    walltime: float
    cputime: float
    result: Any


def made(number: int, count: int) -> Made:
    """Return what the call with a number has, among ``count`` calls."""
    chance = _scrambled(number)
    group = number * 7919 % groups(count)
    walltime_ns = (chance >> 11) % 10**9
    return Made(
        name=_FUNCTIONS[group % 10],
        alpha=number * 7_368_787 % MOST_CALLS / 1e7,
        steps=steps(group),
        solver=SOLVERS[chance & 3],
        started=_FIRST + timedelta(microseconds=number * 1_000_003),
        walltime=walltime_ns / 1e9,
        cputime=walltime_ns * 7 // 8 / 1e9,
        result=small_dict(chance % DICTS) if number % 4 == 0 else ((chance >> 3) % 10**9) / 1e9,
    )


def groups(count: int) -> int:
    """Return how many different numbers of steps there are."""
    return max(1, count // ALIKE)


def groups_of_simulate(count: int) -> list[int]:
    """Return the groups whose calls are of ``simulate``, in no order."""
    found = [group for group in range(groups(count)) if _FUNCTIONS[group % 10] == "simulate"]
    return sorted(found, key=_scrambled)


def steps(group: int) -> int:
    """Return the number of steps of a group of calls."""
    return 10 * (group + 1)


def small_dict(number: int) -> dict[str, Any]:
    """Return a result that is no scalar."""
    return {"loss": number / DICTS, "epochs": number, "converged": number % 2 == 0}


def sealed(made: Made) -> DigestedCall:
    """Return a call, sealed."""
    return Call(
        made.name,
        {"alpha": made.alpha, "steps": made.steps, "solver": made.solver},
        module=MODULE,
        code=CODES[made.name],
        result=made.result,
        metadata={
            "runtime": {
                "started": made.started,
                "walltime": made.walltime,
                "cputime": made.cputime,
            }
        },
    ).digested()


def calls(count: int) -> Iterator[DigestedCall]:
    """Yield all calls, in the order in which they started.

    Raises:
        ValueError: there are not so many.
    """
    if count > MOST_CALLS:
        raise ValueError(f"at most {MOST_CALLS:,} calls differ")
    return (sealed(made(number, count)) for number in range(count))


def _scrambled(number: int) -> int:
    """Return 64 bits that look random (the finaliser of SplitMix64)."""
    bits = (number + 1) * 0x9E3779B97F4A7C15 & _MASK
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & _MASK
    return bits ^ bits >> 31
