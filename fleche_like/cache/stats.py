"""Figures of a cache."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class CacheStats:
    """What a cache holds, and what this process had from it.

    Args:
        calls: stored calls.
        size_bytes: on disk, if that can be told.
        hits: results answered since the cache was opened here.
        misses: look-ups that found nothing.
        stored: calls saved.
        memory_items: results in the memory tier.
        memory_bytes: their size, about.
        seconds_saved: by hits of this process's memoized functions, about: as many times as the
            stored calls of each took on average; ``None`` if no stored call says how long.
        evicted: calls that this process evicted for a budget's sake.
        evicted_bytes: what that freed.
        budget_items: calls that count for the budget, of a cache with one.
        budget_bytes: bytes that do.
    """

    calls: int
    size_bytes: int | None
    hits: int
    misses: int
    stored: int
    memory_items: int
    memory_bytes: int
    seconds_saved: float | None = None
    evicted: int = 0
    evicted_bytes: int = 0
    budget_items: int | None = None
    budget_bytes: int | None = None


class Meter(Protocol):
    """Something that had hits from a cache."""

    def seconds_saved(self, cache: Any, /) -> float | None:
        """Return how long computing what it got would have taken, about."""
        ...


def sum_known(values: Iterable[float | None]) -> float | None:
    """Return the sum of what is known, or ``None`` if nothing is.

    >>> sum_known([1.0, None, 2.0]), sum_known([None])
    (3.0, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; those that vanish meanwhile count as nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue
    return total
