"""Results that share a large array: what they take on disk, and what splitting them costs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fleche_like as fl
from scripts.benchmarks.contest import Entry, Samples, contest
from scripts.benchmarks.rows import OURS, Bound, Must, Row, Settings, Suite, within

WHOLE = "whole"
RESULTS = 100

Make = Callable[[Any, int], Any]
Storer = Callable[[fl.Cache, Any, Make], Entry]


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["destructuring"] = rows


@dataclasses.dataclass
class Run:
    """A result as people write them."""

    data: Any
    number: int


KINDS: dict[str, Make] = {
    "list": lambda data, number: [data, number],
    "dict": lambda data, number: {"data": data, "number": number},
    "dataclass": Run,
}


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other."""
    megabytes = settings.size(50, 1)
    shared = np.random.default_rng(0).random(megabytes << 17)
    for kind, make in KINDS.items():
        yield _sharing(settings, f"a {kind}", shared, make)
    yield _sharing(settings, "`@memoize`: a list", shared, KINDS["list"], storer=_caller)
    yield Row(f"load a list with {megabytes} MB", _loads(settings, [shared, 1]))
    yield Row("store a dict of one number", _stores(settings, lambda n: {"n": n}), (_as_fast(),))
    many = settings.size(1_000_000, 1000)
    yield Row(f"store {many:,} numbers", _stores(settings, lambda n: [*range(n, n + many)]))


def _as_fast() -> Bound:
    return within(WHOLE, 1.1)


def _open(folder: Path, name: str) -> fl.Cache:
    options: dict[str, Any] = {} if name == OURS else {"destructure_bytes": None}
    return fl.open_cache(folder / name, memory_bytes=0, **options)


def _folder(settings: Settings, name: str) -> Path:
    folder = settings.folder / name.replace("`", "").replace(" ", "-")
    folder.mkdir()
    return folder


def _sharing(
    settings: Settings,
    name: str,
    shared: Any,
    make: Make,
    *,
    storer: Storer | None = None,
) -> Row:
    folder, results = _folder(settings, name), settings.size(RESULTS, 3)
    caches = {each: _open(folder, each) for each in (OURS, WHOLE)}
    entries = {each: (storer or _saver)(cache, shared, make) for each, cache in caches.items()}

    def forget() -> None:
        """Leave nothing of the other's results: a hundred of them are gigabytes."""
        for digest in list(caches[WHOLE].values.list()):
            caches[WHOLE].values.evict(digest)

    samples = contest(entries, rounds=results, number=1, before_each=forget)
    for cache in caches.values():
        cache.close()
    title = f"store {name} with one {shared.nbytes >> 20} MB array, {results} times"
    return Row(title, samples, (_on_disk(folder / OURS, shared.nbytes),))


def _saver(cache: fl.Cache, shared: Any, make: Make) -> Entry:
    numbers = itertools.count()

    def save() -> None:
        number = next(numbers)
        cache.save(fl.Call("f", {"n": number}, result=make(shared, number)))

    return save


def _caller(cache: fl.Cache, shared: Any, make: Make) -> Entry:
    numbers = itertools.count()

    @fl.memoize(cache=cache, code="none")
    def simulate(number: int) -> Any:
        return make(shared, number)

    return lambda: simulate(next(numbers))


def _on_disk(folder: Path, shared_bytes: int) -> Bound:
    """At most the shared bytes and one megabyte of change, whatever was stored."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    def judge(_samples: Samples) -> Must:
        most = shared_bytes + (1 << 20)
        return Must(f"≤ {most >> 20} MB on disk", f"{size / (1 << 20):.2f} MB", size <= most)

    return judge


def _loads(settings: Settings, value: Any) -> Samples:
    folder = _folder(settings, "loads")
    entries: dict[str, Entry] = {}
    for name in (OURS, WHOLE):
        cache = _open(folder, name)
        digest = cache.values.save(value)
        entries[name] = partial(cache.load_value, digest)
    return contest(entries, rounds=settings.rounds(15))


def _stores(settings: Settings, make: Callable[[int], Any]) -> Samples:
    folder = _folder(settings, f"stores-{len(str(make(0)))}")
    entries: dict[str, Entry] = {}
    for name in (OURS, WHOLE):
        entries[name] = _saver(_open(folder, name), None, lambda _, number: make(number))
    return contest(entries, rounds=settings.rounds(51), block_s=0.05)
