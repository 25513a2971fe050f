"""Counts of what a memoized function did in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleche_like.memo.metadata import walltime_of


@dataclass
class MemoStats:
    """Counts since the function was decorated.

    Args:
        hits: calls answered from the cache.
        misses: calls whose body ran and was then stored.
        uncached: calls whose body ran and was not stored: because an argument has no digest, a
            required one was not passed, the result could not or was not to be stored, or the
            cache failed.
        failures: calls whose body raised.
        seconds: that stored bodies took.
        seconds_saved: by hits, about: as many times as the stored calls took on average. Known
            in what ``f.stats()`` returns; ``None`` if no stored call says how long it took.
        audited: hits that were recomputed and compared.
        mismatches: those of them that differed.
        bytes: of the results that are stored, if the cache can tell.
    """

    hits: int = 0
    misses: int = 0
    uncached: int = 0
    failures: int = 0
    seconds: float = 0.0
    seconds_saved: float | None = None
    audited: int = 0
    mismatches: int = 0
    bytes: int | None = None

    def ran(self, metadata: Mapping[str, Any]) -> None:
        """Count a body that ran and was stored."""
        self.misses += 1
        self.seconds += walltime_of(metadata) or 0.0
