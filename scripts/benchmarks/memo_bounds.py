"""What a hit may cost beyond looking up: a large argument, guards of code, news from elsewhere."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benchmarks.contest import Entry, Samples, contest
from scripts.benchmarks.rows import OURS, Row, Settings, under, within
from scripts.benchmarks.workload import of_ten_helpers, size_of

_RAW = "xxh3_128"
_UNGUARDED = 'code="none"'

_EVICT = """
import sys, time
from fleche_like import open_cache
with open_cache(sys.argv[1]) as cache:
    cache.evict(sys.argv[2])
    print(time.monotonic())
"""


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other; none if this package stays out."""
    if OURS in settings.skip:
        return
    yield _large_argument(settings)
    yield _guards(settings)
    yield _evictions(settings)


def _large_argument(settings: Settings) -> Row:
    import numpy as np
    import xxhash

    megabytes = settings.size(256, 1)
    array = np.random.default_rng(0).random(megabytes << 17)
    function = _memoized(settings, size_of)
    function(array)
    entries: dict[str, Entry] = {
        OURS: partial(function, array),
        _RAW: partial(xxhash.xxh3_128_hexdigest, array.data),
    }
    samples = contest(entries, rounds=settings.rounds(25))
    return Row(f"hit with an array of {megabytes} MB", samples, (within(_RAW, 1.3),))


def _guards(settings: Settings) -> Row:
    """A warm hit, less one of the same function without any look at its code."""
    entries: dict[str, Entry] = {}
    for name, code in ((OURS, "deep"), (_UNGUARDED, "none")):
        function = _memoized(settings, of_ten_helpers, code=code)
        for _ in range(3):
            function(1)
        entries[name] = partial(function, 1)
    samples = contest(entries, rounds=settings.rounds(150)).over(_UNGUARDED)
    return Row("guards of code, ten helpers", samples, (under(2e-6),), 'beyond code="none"')


def _evictions(settings: Settings) -> Row:
    seconds = [_until_seen(settings) for _ in range(settings.rounds(9))]
    samples = Samples({OURS: seconds})
    note = f"at most {max(seconds) * 1e3:.3g} ms"
    return Row("until another process's eviction is seen", samples, (under(0.05),), note)


def _until_seen(settings: Settings) -> float:
    """Hit one key from memory without a break while a child evicts it."""
    import fleche_like
    from fleche_like.support.sentinel import MISSING

    folder = tempfile.mkdtemp(dir=settings.folder)
    with fleche_like.open_cache(folder) as cache:
        key = cache.save(fleche_like.Call("f", {"x": 1}, result=2))
        evicted: list[float] = []
        child = threading.Thread(target=lambda: evicted.append(_evict(folder, key)))
        child.start()
        while cache.lookup(key) is not MISSING:
            pass
        seen = time.monotonic()
        child.join()
    return max(0.0, seen - evicted[0])


def _evict(folder: str, key: str) -> float:
    command = [sys.executable, "-c", _EVICT, folder, key]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _memoized(settings: Settings, function: Callable[..., Any], **options: Any) -> Any:
    import fleche_like

    folder = Path(tempfile.mkdtemp(dir=settings.folder))
    return fleche_like.memoize(cache=fleche_like.open_cache(folder), **options)(function)
