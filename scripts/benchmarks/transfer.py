"""Moving small calls with their values: to another cache, again, into a file, and back.

Each is done in a process of its own, between embedded caches, by
``python -m scripts.benchmarks.transfer VERB SOURCE TARGET``, which says what it took.
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from fleche_like import Cache, open_cache
from fleche_like.maintenance import export, import_, sync, transfer
from scripts.benchmarks import synthetic
from scripts.benchmarks.contest import Samples
from scripts.benchmarks.progress import reported
from scripts.benchmarks.rows import OURS, Bound, Must, Row, Settings, Suite

CALLS: Final = 100_000
BATCH: Final = 5_000
LEAST_A_SECOND: Final = 5_000


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["transfer"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every way, one after the other."""
    count = settings.size(CALLS, 200)
    source, copy, archive, restored = (
        settings.folder / name for name in ("source", "copy", "calls.fla", "restored")
    )
    fill(source, count)
    must: tuple[Bound, ...] = () if settings.quick else (at_least(count, LEAST_A_SECOND),)
    yield _row("transfer", ("transfer", source, copy), count, must)
    yield _row("transfer of what is there", ("transfer", source, copy), count)
    yield _row("sync of caches that are alike", ("sync", source, copy), count)
    yield _row("export", ("export", source, archive), count)
    yield _row("import", ("import", archive, restored), count)


def fill(folder: Path, count: int) -> None:
    """Save calls with their results."""
    with open_cache(folder, memory_bytes=0) as cache:
        numbers = iter(reported(range(count), count, "calls with values"))
        while batch := list(itertools.islice(numbers, BATCH)):
            _save(cache, [synthetic.made(number, count) for number in batch])


def _save(cache: Cache, made: list[synthetic.Made]) -> None:
    calls: Any = cache.calls
    sealed = [synthetic.sealed(each) for each in made]
    with calls.transaction():
        for each, call in zip(made, sealed, strict=True):
            cache.values.save(each.result, call.result)
        calls.save_many(sealed)


def at_least(count: int, least: int) -> Bound:
    """At least so many of ``count`` calls a second."""

    def judge(samples: Samples) -> Must:
        speed = count / samples.median_s(OURS)
        return Must(f"≥ {least:,} a second", f"{speed:,.0f} a second", speed >= least)

    return judge


def _row(name: str, way: tuple[str, Path, Path], count: int, bounds: tuple[Bound, ...] = ()) -> Row:
    command = [sys.executable, "-m", __name__, *map(str, way)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    took = json.loads(done.stdout)
    note = f"{took['cpu_s']:.3g} s of processor time, {took['peak_mb']:.0f} MB at most"
    return Row(f"{name}, {count:,} calls", Samples({OURS: [took["seconds"]]}), bounds, note)


def _transfer(source: str, target: str) -> object:
    with open_cache(source) as one, open_cache(target) as other:
        return transfer(one, other)


def _sync(source: str, target: str) -> object:
    with open_cache(source) as one, open_cache(target) as other:
        return sync(one, other)


def _export(source: str, target: str) -> object:
    with open_cache(source) as cache:
        return export(cache, target)


def _import(source: str, target: str) -> object:
    with open_cache(target) as cache:
        return import_(cache, source)


WAYS: Final[dict[str, Callable[[str, str], object]]] = {
    "transfer": _transfer,
    "sync": _sync,
    "export": _export,
    "import": _import,
}


def main(verb: str, source: str, target: str) -> None:
    """Do it once, opening and closing included, and print what it took as JSON."""
    begin, processor = time.perf_counter(), time.process_time()
    WAYS[verb](source, target)
    took = {
        "seconds": time.perf_counter() - begin,
        "cpu_s": time.process_time() - processor,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main(*sys.argv[1:])
