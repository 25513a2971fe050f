"""Figures of a cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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
    """

    calls: int
    size_bytes: int | None
    hits: int
    misses: int
    stored: int
    memory_items: int
    memory_bytes: int


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
