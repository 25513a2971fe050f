"""Counts of what a memoized function did in this process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class MemoStats:
    """Counts since the function was decorated.

    Args:
        hits: calls answered from the cache.
        misses: calls whose body ran and was then stored.
        uncached: calls whose body ran and was not stored: because an argument has no digest, a
            required one was not passed, the result could not be stored, or the cache failed.
        failures: calls whose body raised.
    """

    hits: int = 0
    misses: int = 0
    uncached: int = 0
    failures: int = 0
