"""Digests of values, against what reading or pickling the same value takes."""

from __future__ import annotations

import pickle
import random
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from scripts.benchmarks.contest import Entry, Samples, contest
from scripts.benchmarks.rows import OURS, Row, Settings, Suite, times_faster_than, within

RAW = "xxh3_128"
PICKLE = "pickle.dumps"
ALLOWANCE = "4 × pickle.dumps + XXH3"
CONTIGUOUS = "contiguous"
# What prototypes showed to be possible where lines of memory must be read more than once.
STRIDED, TRANSPOSED = 4, 12


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["digest"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other."""
    yield _array(settings)
    yield from _layouts(settings)
    chance = random.Random(0)
    many = settings.size(1_000_000, 1_000)
    integers = [chance.randrange(10**9) for _ in range(many)]
    yield Row("list of a million ints", _against_pickle(settings, integers), (within(PICKLE, 3),))
    texts = [f"name-{number % 997}-{number}" for number in range(many)]
    yield Row("list of a million texts", _against_pickle(settings, texts), (within(PICKLE, 4),))
    some = settings.size(100_000, 100)
    pairs = [(chance.random(), chance.random()) for _ in range(some)]
    yield Row(
        "list of 100,000 pairs of floats", _against_pickle(settings, pairs), (within(PICKLE, 5),)
    )
    records = [{"id": n, "name": f"n{n}", "weight": n / 7, "kind": None} for n in range(some)]
    yield Row("list of 100,000 records", _against_pickle(settings, records), (within(PICKLE, 8),))
    config = _configuration(chance)
    yield Row(
        "nested configuration, 40 entries of 6",
        _against_pickle(settings, config, rounds=150),
        (within(PICKLE, 5),),
    )
    yield _small(settings, "arguments of a small call", (0.1, 100, "adam", True, None))
    options = {
        "rate": 1e-3,
        "layers": [64, 64],
        "optimiser": {"name": "adam", "betas": (0.9, 0.99)},
    }
    nested = (0.1, 100, "adam", options)
    yield _small(settings, "the same with nested options", nested)
    yield _frame(settings)


def _small(settings: Settings, name: str, value: object) -> Row:
    """Against what four times pickling and one hash of the result take."""
    import xxhash

    def allowance() -> None:
        for _ in range(3):
            pickle.dumps(value, protocol=5)
        xxhash.xxh3_128_hexdigest(pickle.dumps(value, protocol=5))

    entries: dict[str, Entry] = {n: partial(f, value) for n, f in _digests(settings).items()}
    entries[ALLOWANCE] = allowance
    samples = contest(settings.without_skipped(entries), rounds=settings.rounds(150))
    return Row(name, samples, (within(ALLOWANCE, 1),))


def _layouts(settings: Settings) -> Iterator[Row]:
    """Arrays that are not contiguous, against contiguous ones of the same size."""
    import numpy as np

    if OURS in settings.skip:
        return
    chance = np.random.default_rng(0)
    side = settings.size(4096, 64)
    grid = chance.random((side, 2 * side))
    cube = chance.random((side // 16, side // 8, side // 16 * 8))
    yield _layout(settings, "Fortran order, 2-D", np.asfortranarray(grid), TRANSPOSED)
    yield _layout(settings, "Fortran order, 3-D", np.asfortranarray(cube), TRANSPOSED)
    yield _layout(settings, "rows of two, Fortran order", grid.reshape(2, -1).T, TRANSPOSED)
    planes = grid.view("u1").reshape(8, side, -1)
    yield _layout(settings, "bytes of pixels from planes", planes.transpose(1, 2, 0), TRANSPOSED)
    wide = chance.random((side, 4 * side))
    yield _layout(settings, "every other column", wide[:, ::2], STRIDED)
    tall = chance.random((2 * side, 2 * side))
    yield _layout(settings, "every other row", tall[::2], STRIDED)


def _layout(settings: Settings, name: str, value: Any, factor: float) -> Row:
    import fleche_like

    entries: dict[str, Entry] = {
        OURS: partial(fleche_like.digest, value),
        CONTIGUOUS: partial(fleche_like.digest, value.copy("C")),
    }
    samples = contest(entries, rounds=settings.rounds(9))
    note = f"{_peak_mb(entries[OURS]):.1f} MB allocated"
    return Row(f"{name}, 256 MB", samples, (within(CONTIGUOUS, factor),), note)


def _frame(settings: Settings) -> Row:
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(0)
    count = settings.size(1_000_000, 1_000)
    names = np.array(["red", "green", "blue"])[chance.integers(0, 3, count)]
    columns: dict[str, object] = {f"float {n}": chance.random(count) for n in range(4)}
    columns |= {f"int {n}": chance.integers(0, 9, count) for n in range(2)}
    columns |= {
        "flag": chance.random(count) < 0.5,
        "text": names.astype(object),
        "category": pd.Categorical(names),
        "moment": pd.to_datetime(chance.integers(0, 10**9, count), unit="s"),
    }
    frame = pd.DataFrame(columns)
    entries: dict[str, Entry] = {n: partial(f, frame) for n, f in _digests(settings).items()}
    samples = contest(settings.without_skipped(entries), rounds=settings.rounds(5))
    return Row("frame of 10⁶ rows, 10 columns", samples, (times_faster_than("joblib", 5),))


def _configuration(chance: random.Random) -> dict[str, dict[str, object]]:
    return {
        f"component_{index}": {
            "name": f"layer-{index}",
            "size": chance.randrange(1024),
            "rate": chance.random(),
            "enabled": chance.random() < 0.5,
            "shape": (chance.randrange(9), chance.randrange(9)),
            "schedule": None,
        }
        for index in range(40)
    }


def _digests(settings: Settings) -> dict[str, Callable[[object], object]]:
    import fleche.digest
    import joblib

    functions: dict[str, Callable[[object], object]] = {
        "joblib": joblib.hash,
        "fleche": fleche.digest.digest,
    }
    if OURS not in settings.skip:
        import fleche_like

        functions = {OURS: fleche_like.digest, **functions}
    return functions


def _against_pickle(settings: Settings, value: object, rounds: int = 15) -> Samples:
    entries: dict[str, Entry] = {
        name: partial(function, value) for name, function in _digests(settings).items()
    }
    entries[PICKLE] = partial(pickle.dumps, value, protocol=5)
    return contest(settings.without_skipped(entries), rounds=settings.rounds(rounds))


def _array(settings: Settings) -> Row:
    import numpy as np
    import xxhash

    megabytes = settings.size(256, 1)
    array = np.random.default_rng(0).random(megabytes << 17)
    entries: dict[str, Entry] = {
        name: partial(function, array) for name, function in _digests(settings).items()
    }
    entries[RAW] = partial(xxhash.xxh3_128_hexdigest, array.data)
    samples = contest(settings.without_skipped(entries), rounds=settings.rounds(25))
    note = f"{_peak_mb(entries[OURS]):.1f} MB allocated" if OURS in entries else ""
    return Row(
        f"contiguous float array, {megabytes} MB", samples, (times_faster_than(RAW, 0.95),), note
    )


def _peak_mb(entry: Entry) -> float:
    """The most memory that was allocated at once; a copy of the array would show."""
    tracemalloc.start()
    try:
        entry()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
