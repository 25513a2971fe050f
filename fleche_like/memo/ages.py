"""How old stored calls are."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from fleche_like.cache import Cache
from fleche_like.hashing import Digest

_MOST_REMEMBERED: Final = 16_384


class Ages:
    """Tells whether stored calls have reached an age; remembers when they were finished.

    A call that was replaced meanwhile is younger than what is remembered. So what is remembered
    is never the reason to call one too old; then its record is read.

    Thread-safe: entries only ever gain later times.
    """

    def __init__(self) -> None:
        self._finished: WeakKeyDictionary[Cache, dict[Digest, float]] = WeakKeyDictionary()

    def is_reached(self, age_s: float, key: Digest, cache: Cache) -> bool:
        """Return whether a stored call is so old; true as well if its record does not say.

        Args:
            age_s: in seconds, since its body returned.
            key: of the call.
            cache: where it is stored.
        """
        if age_s == float("inf"):
            return False
        known = self._finished.setdefault(cache, {})
        now = time.time()
        if now - known.get(key, 0.0) < age_s:
            return False
        finished = _finished(cache, key)
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[key] = finished
        return not now - finished < age_s


def _finished(cache: Cache, key: Digest) -> float:
    """Return when the body of a call returned, in seconds since 1970; 0 if that is not known."""
    try:
        runtime = cache.load(key).metadata.get("runtime")
    except KeyError:  # evicted just now
        return 0.0
    return end_of(runtime) if isinstance(runtime, Mapping) else 0.0


def end_of(runtime: Mapping[str, Any]) -> float:
    """Return when a body returned, by its metadata, in seconds since 1970; 0 if not known."""
    started, walltime = runtime.get("started"), runtime.get("walltime")
    if isinstance(started, datetime) and isinstance(walltime, int | float):
        return started.timestamp() + walltime
    return 0.0
