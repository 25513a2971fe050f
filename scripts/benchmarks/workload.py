"""The functions that every contender memoizes: of no cost, so that only the caching is timed."""

from __future__ import annotations


def tiny(number: int, rate: float, label: str) -> dict[str, float]:
    """Three small arguments, one small result."""
    return {"number": float(number), "rate": rate, "length": float(len(label))}


def of_one(number: int) -> dict[str, float]:
    """One small argument, one small result."""
    return {"number": float(number), "square": float(number * number)}
