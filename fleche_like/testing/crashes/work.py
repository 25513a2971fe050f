"""What the writers compute: functions whose results tell whether they are right.

Results go into records, beside them, into files, and into parts of their own, as far as the cache
under them has such places.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import fleche_like as fl

SHARED: Final = 40
"""Numbers below are everybody's, so that writers get into each other's way."""


@fl.memoize(code="none")
def scalar(n: int) -> float:
    """Return what the record holds itself."""
    return n / 2


@fl.memoize(code="none")
def small(n: int) -> dict[str, int]:
    """Return what lies beside the record."""
    return {"n": n, "square": n * n}


@fl.memoize(code="none")
def argued(n: int, options: Mapping[str, Any], items: Sequence[int]) -> list[Any]:
    """Return some kilobytes, of arguments that are stored too."""
    return [n, options["name"], *items] * 60


@fl.memoize(code="none")
def large(n: int) -> bytes:
    """Return what goes into a file."""
    return random.Random(n).randbytes(60_000)


@fl.memoize(code="none")
def composed(n: int) -> dict[str, Any]:
    """Return large parts, some of which other results share."""
    shared = [*range(n // 8, n // 8 + 4000)]
    return {"n": n, "shared": shared, "own": {"text": f"{n} " * 3000}}


@fl.memoize(code="none", exceptions=ValueError)
def failing(n: int) -> None:
    """Raise what is stored as a result."""
    raise ValueError(n)


FUNCTIONS: Final[Mapping[str, Any]] = {
    each.__name__: each for each in (scalar, small, argued, large, composed, failing)
}


def arguments(name: str, n: int) -> tuple[Any, ...]:
    """Return the arguments of a function for a number."""
    if name == "argued":
        return n, {"name": f"option {n}", "depth": [n]}, [*range(n % 7)]
    return (n,)


def expected(name: str, n: int) -> Any:
    """Return what a function gives for a number, computed now; an exception if it raises one."""
    try:
        return FUNCTIONS[name].__wrapped__(*arguments(name, n))
    except ValueError as error:
        return error


def is_expected(result: Any, name: str, n: int) -> bool:
    """Whether a stored result is the one; exceptions agree in type and arguments."""
    right = expected(name, n)
    result = getattr(result, "exception", result)
    if isinstance(right, Exception):
        return type(result) is type(right) and result.args == right.args
    return type(result) is type(right) and result == right


def ask(name: str, n: int) -> Any:
    """Call a memoized function; what it raises is returned."""
    try:
        return FUNCTIONS[name](*arguments(name, n))
    except ValueError as error:
        return error
