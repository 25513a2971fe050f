"""Counts of what a memoized function did in this process."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleche_like.cache import Cache
from fleche_like.errors import FlecheError
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
        bytes: of the function's results in the cache that was used last, of all versions.
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


class FunctionMeter:
    """Which cache answered how many hits of a function, and what that saved.

    The fast path only counts; so hits are told apart when a call that it does not answer comes to
    another cache.

    Args:
        name: of the function.
        module: of the function.
        stats: its counts.
    """

    def __init__(self, name: str, module: str | None, stats: MemoStats) -> None:
        self._name, self._module = name, module
        self._stats = stats
        self._hits: weakref.WeakKeyDictionary[Cache, int] = weakref.WeakKeyDictionary()
        self._cache: weakref.ref[Cache] | None = None
        self._counted = 0

    def turn_to(self, cache: Cache) -> None:
        """Count hits from here on for ``cache``."""
        if self._latest() is cache:
            return
        self._count()
        self._cache = weakref.ref(cache)
        cache.meters.add(self)

    def seconds_saved(self, cache: Cache) -> float | None:
        """Return how long computing what came from ``cache`` would have taken, about."""
        self._count()
        _, _, mean_s = cache.figures(self._name, self._module)
        return None if mean_s is None else self._hits.get(cache, 0) * mean_s

    def read(self) -> MemoStats:
        """Return the function's counts, completed by what its latest cache knows of its calls."""
        cache = self._latest()
        if cache is None:
            return replace(self._stats)
        try:
            _, size, mean_s = cache.figures(self._name, self._module)
        except FlecheError:  # closed, or away
            return replace(self._stats)
        saved_s = None if mean_s is None else self._stats.hits * mean_s
        return replace(self._stats, bytes=size, seconds_saved=saved_s)

    def _latest(self) -> Cache | None:
        return None if self._cache is None else self._cache()

    def _count(self) -> None:
        cache = self._latest()
        new, self._counted = self._stats.hits - self._counted, self._stats.hits
        if cache is not None:
            self._hits[cache] = self._hits.get(cache, 0) + new
