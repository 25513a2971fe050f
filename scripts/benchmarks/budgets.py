"""Budgets: saving beside so many calls where each save evicts one, and what a budget costs."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from fleche_like import Cache, Call, open_cache
from scripts.benchmarks.contest import contest
from scripts.benchmarks.index_curve import contender
from scripts.benchmarks.index_databases import Databases
from scripts.benchmarks.rows import OURS, Row, Settings, Suite, within

SMALLEST = 3
NUMBER = 64
"""Saves of one turn: a batch of late calls is indexed now and then, and falls on all of them."""


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["budgets"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Yield what one eviction takes at either end, and what saving and hits take with a budget."""
    yield _evictions(settings)
    yield _saves(settings)
    yield _hits(settings)


def _evictions(settings: Settings) -> Row:
    """Save into full caches: in the smallest one, and in the largest one."""
    largest = min(settings.largest, 4) if settings.quick else settings.largest
    databases = Databases(settings.databases or settings.folder)
    small, large = contender(SMALLEST), contender(largest)
    with contextlib.ExitStack() as closing:
        full = {
            name: closing.enter_context(_full(settings.folder, databases, 10**exponent))
            for name, exponent in ((small, SMALLEST), (large, largest))
        }
        entries = {name: _saving(cache) for name, cache in full.items()}
        for save in entries.values():
            for _ in range(settings.size(200, 5)):
                save()
        samples = contest(entries, rounds=settings.rounds(25), number=NUMBER)
    seconds = {OURS: samples.seconds[large], small: samples.seconds[small]}
    return Row(
        f"save and evict one, of 10^{largest} and of 10^{SMALLEST}",
        type(samples)(seconds),
        (within(small, 2),),
    )


def _full(folder: Path, databases: Databases, count: int) -> Cache:
    """Return a copy of a database whose budget is what it holds."""
    place = folder / f"budget-{count}"
    databases.ours(count).close()
    shutil.copytree(databases.folder_of_ours(count), place)
    return open_cache(place, memory_bytes=0, max_items=count)


def _saving(cache: Cache) -> Callable[[], object]:
    numbers = itertools.count()

    def save() -> None:
        number = next(numbers)
        cache.save(Call("budgets", {"n": number, "of": "bench"}, "scripts", result=number / 2))

    return save


def _saves(settings: Settings) -> Row:
    """Save where nothing has to go, with a budget and without."""
    with (
        open_cache(settings.folder / "save-with", max_items=10**9) as bounded,
        open_cache(settings.folder / "save-without") as plain,
    ):
        entries = {OURS: _saving(bounded), "no budget": _saving(plain)}
        samples = contest(entries, rounds=settings.rounds(25), number=NUMBER)
    return Row("save where nothing has to go, with a budget", samples)


def _hits(settings: Settings) -> Row:
    """Look up what is in memory, with a budget and without."""
    with (
        open_cache(settings.folder / "hit-with", max_items=10**9) as bounded,
        open_cache(settings.folder / "hit-without") as plain,
    ):
        entries = {OURS: _hitting(bounded), "no budget": _hitting(plain)}
        samples = contest(entries, rounds=settings.rounds(25))
    return Row("hit in memory, with a budget", samples)


def _hitting(cache: Cache) -> Callable[[], object]:
    key = cache.save(Call("budgets", {"n": 1}, "scripts", result=0.5))
    for _ in range(4):
        cache.lookup(key)
    return lambda: cache.lookup(key)
