"""Upkeep of caches large and small: what ``gc`` and ``verify`` take, in time and in memory.

Each runs in a process of its own, on a copy of a cache whose calls all have stored results, and a
tenth of whose values nothing needs.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fleche_like import Cache, open_cache
from scripts.benchmarks import synthetic
from scripts.benchmarks.contest import Samples
from scripts.benchmarks.index_databases import Databases, index_of
from scripts.benchmarks.progress import reported
from scripts.benchmarks.rows import OURS, Bound, Must, Row, Settings, Suite

SMALLEST: Final = 4
BATCH: Final = 5000
UNUSED: Final = 10
"""One call in so many was evicted, and its value stayed."""

MOST_S: Final = 300.0
MOST_GROWTH_MB: Final = 64.0

_CHILD: Final = """
import json, resource, sys, time
from fleche_like import open_cache
from fleche_like.maintenance import gc, verify
with open_cache(sys.argv[2], memory_bytes=0) as cache:
    begin = time.perf_counter()
    found = gc(cache, grace=0) if sys.argv[1] == "gc" else verify(cache)
    taken = time.perf_counter() - begin
assert not getattr(found, "unreadable", 0) and getattr(found, "is_sound", True), found
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
used = time.process_time()
print(json.dumps({"seconds": taken, "cpu_s": used, "peak_mb": peak, "values": found.values}))
"""


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["upkeep"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure both, at ten thousand calls and at the largest."""
    sizes = [100] if settings.quick else sorted({10**SMALLEST, 10**settings.largest})
    folder = settings.databases or settings.folder
    first: dict[str, float] = {}
    for count in sizes:
        made = Databases(folder).made("upkeep", count, fill)
        copy = settings.folder / "copy"
        shutil.copytree(made, copy)
        for verb in ("verify", "gc"):
            yield _row(verb, count, copy, first)
        shutil.rmtree(copy)


def fill(folder: Path, count: int) -> None:
    """Save calls with their results, and evict some."""
    with open_cache(folder, memory_bytes=0) as cache:
        numbers = iter(reported(range(count), count, "calls with values"))
        while batch := list(itertools.islice(numbers, BATCH)):
            _save(cache, batch, count)


def _save(cache: Cache, numbers: list[int], count: int) -> None:
    made = [synthetic.made(number, count) for number in numbers]
    calls = [synthetic.sealed(each) for each in made]
    with index_of(cache).transaction():
        for each, call in zip(made, calls, strict=True):
            cache.values.save(each.result, call.result)
        index_of(cache).save_many(
            call for number, call in zip(numbers, calls, strict=True) if number % UNUSED
        )


def _row(verb: str, count: int, folder: Path, first: dict[str, float]) -> Row:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, verb, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)
    growth = found["peak_mb"] - first.setdefault(verb, found["peak_mb"])
    samples = Samples({OURS: [found["seconds"]]})
    note = (
        f"{found['values']:,} values, {found['cpu_s']:.3g} s of processor,"
        f" at most {found['peak_mb']:.0f} MB in memory"
    )
    return Row(f"{verb} of {count:,} calls", samples, (_minutes, _flat(growth)), note)


def _minutes(samples: Samples) -> Must:
    taken = samples.median_s(OURS)
    return Must(f"< {MOST_S:g} s", f"{taken:.3g} s", taken < MOST_S)


def _flat(growth_mb: float) -> Bound:
    must = Must(
        f"< {MOST_GROWTH_MB:g} MB more than the smallest",
        f"{growth_mb:.0f} MB",
        growth_mb < MOST_GROWTH_MB,
    )
    return lambda _samples: must
