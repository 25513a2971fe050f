"""Digests of values, against what reading or pickling the same value takes."""

from __future__ import annotations

import pickle
import random
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

from scripts.benchmarks.contest import Entry, Samples, contest
from scripts.benchmarks.rows import OURS, Row, Settings, Suite, times_faster_than, within

RAW = "xxh3_128"
PICKLE = "pickle.dumps"


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["digest"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other."""
    yield _array(settings)
    chance = random.Random(0)
    integers = [chance.randrange(10**9) for _ in range(settings.size(1_000_000, 1_000))]
    yield Row("list of a million ints", _against_pickle(settings, integers), (within(PICKLE, 4),))
    pairs = [(chance.random(), chance.random()) for _ in range(settings.size(100_000, 100))]
    yield Row("list of 100,000 pairs of floats", _against_pickle(settings, pairs))
    config = _configuration(chance)
    yield Row(
        "nested configuration, 40 entries of 6",
        _against_pickle(settings, config, rounds=150),
        (within(PICKLE, 9),),
    )


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
        f"contiguous float array, {megabytes} MB", samples, (times_faster_than(RAW, 0.9),), note
    )


def _peak_mb(entry: Entry) -> float:
    """The most memory that was allocated at once; a copy of the array would show."""
    tracemalloc.start()
    try:
        entry()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
