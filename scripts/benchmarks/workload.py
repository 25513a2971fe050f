"""The functions that every contender memoizes: of no cost, so that only the caching is timed."""

from __future__ import annotations

from typing import Any


def tiny(number: int, rate: float, label: str) -> dict[str, float]:
    """Three small arguments, one small result."""
    return {"number": float(number), "rate": rate, "length": float(len(label))}


def of_one(number: int) -> dict[str, float]:
    """One small argument, one small result."""
    return {"number": float(number), "square": float(number * number)}


def size_of(array: Any) -> int:
    """One large argument, nothing done with it."""
    return len(array)


def of_ten_helpers(number: int) -> float:
    """A function of ten helpers."""
    steps = (
        _first,
        _second,
        _third,
        _fourth,
        _fifth,
        _sixth,
        _seventh,
        _eighth,
        _ninth,
        _tenth,
    )
    return sum(step(number) for step in steps)


def _first(number: int) -> float:
    return number + 0.0


def _second(number: int) -> float:
    return number + 1.0


def _third(number: int) -> float:
    return number + 2.0


def _fourth(number: int) -> float:
    return number + 3.0


def _fifth(number: int) -> float:
    return number + 4.0


def _sixth(number: int) -> float:
    return number + 5.0


def _seventh(number: int) -> float:
    return number + 6.0


def _eighth(number: int) -> float:
    return number + 7.0


def _ninth(number: int) -> float:
    return number + 8.0


def _tenth(number: int) -> float:
    return number + 9.0
