"""Saving in bulk, and what is then on the disk."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fleche_like import open_cache
from fleche_like.calls import DigestedCall
from scripts.benchmarks import synthetic
from scripts.benchmarks.contest import Samples, contest
from scripts.benchmarks.index_databases import Databases, index_of
from scripts.benchmarks.rows import OURS, Bound, Must, Row, Settings

BYTES_A_CALL: Final = 800
CALLS_A_SECOND: Final = 20_000


def rows(settings: Settings, databases: Databases, count: int) -> Iterator[Row]:
    """Yield what it takes to save, into nothing and beside ``count`` calls, and their size."""
    some = settings.size(100_000, 50)
    yield _row(f"save {some:,} in bulk, per call", _into_nothing(settings, some), some)
    more = settings.size(20_000, 50)
    beside = _beside(settings, databases, count, more)
    yield _row(
        f"save {more:,} more beside {count:,}, per call", beside, more, _size(databases, count)
    )


def _row(name: str, seconds: list[float], calls: int, *bounds: Bound) -> Row:
    samples = Samples({OURS: [taken / calls for taken in seconds]})
    return Row(name, samples, (_a_second(CALLS_A_SECOND), *bounds))


def _into_nothing(settings: Settings, count: int) -> list[float]:
    ready = _sealed(range(count), count)
    turns = itertools.count()

    def save() -> None:
        with open_cache(settings.folder / f"bulk-{next(turns)}", memory_bytes=0) as cache:
            index_of(cache).save_many(ready)

    seconds = contest({OURS: save}, rounds=settings.rounds(3), number=1).seconds[OURS]
    for turn in range(next(turns)):
        shutil.rmtree(settings.folder / f"bulk-{turn}")
    return seconds


def _beside(settings: Settings, databases: Databases, count: int, more: int) -> list[float]:
    databases.ours(count).close()
    folder = settings.folder / "grown"
    shutil.copytree(databases.folder_of_ours(count), folder)
    rounds = settings.rounds(3)
    firsts = iter(range(count, count + rounds * more, more))
    batches = [_sealed(range(first, first + more), count) for first in firsts]
    rest = iter(batches)
    with open_cache(folder, memory_bytes=0) as cache:
        samples = contest(
            {OURS: lambda: index_of(cache).save_many(next(rest))}, rounds=rounds, number=1
        )
    shutil.rmtree(folder)
    return samples.seconds[OURS]


def _sealed(numbers: range, count: int) -> list[DigestedCall]:
    """Return calls as a transfer has them, their keys known."""
    found = [synthetic.sealed(synthetic.made(number, count)) for number in numbers]
    for call in found:
        assert call.key
    return found


def _a_second(calls: int) -> Bound:
    def judge(samples: Samples) -> Must:
        speed = 1 / samples.median_s(OURS)
        return Must(f"≥ {calls:,} a second", f"{speed:,.0f}", speed >= calls)

    return judge


def _size(databases: Databases, count: int) -> Bound:
    """Bound the index; its values are a few hundred small dicts, which are left in."""
    taken = _bytes(databases.folder_of_ours(count)) / count
    must = Must(f"< {BYTES_A_CALL} bytes a call", f"{taken:.0f}", taken < BYTES_A_CALL)
    return lambda _samples: must


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
