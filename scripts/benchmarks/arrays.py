"""Storing and loading one large array, by each contender's own door for values."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.contest import Entry, Samples, contest
from scripts.benchmarks.rows import OURS, Row, Settings, Suite, under, within

Array = NDArray[np.float64]
Store = Callable[[Array], object]
Load = Callable[[], Any]

NUMPY = "np.load"


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["arrays"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other."""
    megabytes = settings.size(256, 1)
    array = np.random.default_rng(0).random(megabytes << 17)
    yield Row(f"store a new array of {megabytes} MB", _stores(settings, array))
    copied, mapped = _loaders(settings, array)
    yield Row(
        f"load {megabytes} MB, copied (ours: and verified)",
        _loads(settings, copied, array),
        (within(NUMPY, 1.5),),
    )
    yield Row(f"load {megabytes} MB, mapped", _loads(settings, mapped, array), (under(0.003),))


def _stores(settings: Settings, array: Array) -> Samples:
    """Every turn stores another content in an empty folder, so that nobody is done already."""
    folder = settings.folder / "stores"
    openers = settings.without_skipped(STORES)
    ready: dict[str, Store] = {}

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        array[0] += 1.0
        for name, opener in openers.items():
            (folder / name).mkdir(parents=True)
            ready[name] = opener(folder / name)

    entries: dict[str, Entry] = {name: partial(_store, ready, name, array) for name in openers}
    return contest(entries, rounds=settings.rounds(7), number=1, before_each=prepare)


def _store(ready: dict[str, Store], name: str, array: Array) -> None:
    ready[name](array)


def _loads(settings: Settings, loaders: dict[str, Load], array: Array) -> Samples:
    taking_part = settings.without_skipped(loaders)
    for name, load in taking_part.items():
        if not np.array_equal(load(), array):
            raise AssertionError(f"{name} loads something else")
    return contest(taking_part, rounds=settings.rounds(15))


def _loaders(settings: Settings, array: Array) -> tuple[dict[str, Load], dict[str, Load]]:
    folder = settings.folder / "loads"
    copied: dict[str, Load] = {}
    mapped: dict[str, Load] = {}
    for name, opener in LOADERS.items():
        if name not in settings.skip:
            (folder / name).mkdir(parents=True)
            copied[name], mapped[name] = opener(folder / name, array)
    return copied, {name: load for name, load in mapped.items() if load is not copied[name]}


def _our_store(folder: Path) -> Store:
    import fleche_like

    return fleche_like.open_cache(folder).values.save


def _numpy_store(folder: Path) -> Store:
    return partial(np.save, folder / "array.npy")


def _joblib_store(folder: Path) -> Store:
    import joblib

    return partial(joblib.dump, filename=folder / "array.joblib")


def _diskcache_store(folder: Path) -> Store:
    from diskcache import Cache

    return partial(Cache(str(folder), size_limit=1 << 40).set, "array")


def _fleche_store(folder: Path) -> Store:
    from fleche.storage import ValuePickleFile

    return ValuePickleFile.with_pickle(root=folder).save  # type: ignore[no-any-return]


STORES: dict[str, Callable[[Path], Store]] = {
    OURS: _our_store,
    "np.save": _numpy_store,
    "diskcache": _diskcache_store,
    "joblib": _joblib_store,
    "fleche": _fleche_store,
}


def _our_loads(folder: Path, array: Array) -> tuple[Load, Load]:
    import fleche_like

    digest = fleche_like.open_cache(folder).values.save(array)
    loads = [
        partial(fleche_like.open_cache(folder, memory_bytes=0, mmap=mmap).load_value, digest)
        for mmap in (False, True)
    ]
    return loads[0], loads[1]


def _numpy_loads(folder: Path, array: Array) -> tuple[Load, Load]:
    path = folder / "array.npy"
    np.save(path, array)
    return partial(np.load, path), partial(np.load, path, mmap_mode="c")


def _joblib_loads(folder: Path, array: Array) -> tuple[Load, Load]:
    import joblib

    path = folder / "array.joblib"
    joblib.dump(array, path)
    return partial(joblib.load, path), partial(joblib.load, path, mmap_mode="c")


def _diskcache_loads(folder: Path, array: Array) -> tuple[Load, Load]:
    from diskcache import Cache

    cache = Cache(str(folder), size_limit=1 << 40)
    cache.set("array", array)
    load = partial(cache.get, "array")
    return load, load


def _fleche_loads(folder: Path, array: Array) -> tuple[Load, Load]:
    from fleche.storage import ValuePickleFile

    values = ValuePickleFile.with_pickle(root=folder)
    load = partial(values.load, values.save(array))
    return load, load


# The second is the same as the first where a contender cannot map.
LOADERS: dict[str, Callable[[Path, Array], tuple[Load, Load]]] = {
    OURS: _our_loads,
    NUMPY: _numpy_loads,
    "diskcache": _diskcache_loads,
    "joblib": _joblib_loads,
    "fleche": _fleche_loads,
}
