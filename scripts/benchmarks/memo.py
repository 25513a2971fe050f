"""Memoized calls: hits, first hits, misses, bulk."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from scripts.benchmarks import memo_bounds
from scripts.benchmarks.contest import Entry, Samples, contest
from scripts.benchmarks.crowd import crowd
from scripts.benchmarks.peers import CONTENDERS, NO_TIER, Function, memoized
from scripts.benchmarks.rows import OURS, Row, Settings, Suite, times_faster_than, within
from scripts.benchmarks.workload import tiny


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["memo"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other."""
    warm = _warm_hits(settings)
    yield Row(
        "warm hit, memory tier on",
        _without(warm, NO_TIER),
        (times_faster_than("diskcache", 8), within("lru_cache", 40)),
    )
    yield Row(
        "warm hit, memory tier off",
        _as_ours(warm, NO_TIER),
        (times_faster_than("diskcache", 3),),
    )
    yield Row(
        "first hit of each key in a fresh process",
        _first_hits(settings),
        (times_faster_than("diskcache", 1),),
        "after imports; median over keys",
    )
    yield Row(
        "miss, function of no cost",
        _misses(settings),
        (within("diskcache", 0.7),),
    )
    yield Row(
        "map over stored calls in a fresh process, per call",
        _batch_hits(settings),
        (times_faster_than("diskcache", 5),),
        "10,000 calls at once; the others in a loop",
    )
    yield from _bulk(settings)
    yield _crowd(settings)
    yield from memo_bounds.rows(settings)


def _names(settings: Settings, *left_out: str) -> list[str]:
    return [name for name in CONTENDERS if name not in settings.skip and name not in left_out]


def _functions(names: Sequence[str], folder: Path) -> dict[str, Function]:
    return {name: memoized(name, folder, tiny) for name in names}


def _warm_hits(settings: Settings) -> Samples:
    entries: dict[str, Entry] = {}
    for name, function in _functions(_names(settings), settings.folder / "warm").items():
        function(1, 0.5, label="warm")
        entries[name] = partial(function, 1, 0.5, label="warm")
    return contest(entries, rounds=settings.rounds(150))


def _misses(settings: Settings) -> Samples:
    functions = _functions(_names(settings, NO_TIER), settings.folder / "miss")
    return contest(
        {name: _ever_new(function) for name, function in functions.items()},
        rounds=settings.size(600, 5),
        number=1,
    )


def _ever_new(function: Function, start: int = 0) -> Entry:
    numbers = itertools.count(start)
    return lambda: function(next(numbers), 0.5, label="new")


def _first_hits(settings: Settings) -> Samples:
    """Fill every contender's folder, then hit each key once in several fresh processes."""
    return _fresh(settings, "first_hits", settings.size(300, 4), settings.rounds(5))


def _batch_hits(settings: Settings) -> Samples:
    """Fill every contender's folder, then answer one batch in several fresh processes."""
    return _fresh(settings, "batch_hits", settings.size(10_000, 20), settings.rounds(4))


def _fresh(settings: Settings, module: str, keys: int, rounds: int) -> Samples:
    names = _names(settings, "lru_cache", NO_TIER)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for child in range(rounds):
        folder = Path(tempfile.mkdtemp(dir=settings.folder))
        turned = names[child % len(names) :] + names[: child % len(names)]
        for _filled_then_hit in range(2):
            answer = _child(module, folder, keys, turned)
        for name, times in answer.items():
            seconds[name] += times
    return Samples(seconds)


def _child(module: str, folder: Path, keys: int, names: Sequence[str]) -> dict[str, list[float]]:
    command = [sys.executable, "-m", f"scripts.benchmarks.{module}", str(folder), str(keys)]
    done = subprocess.run([*command, *names], check=True, capture_output=True, text=True)
    answer: dict[str, list[float]] = json.loads(done.stdout)
    return answer


def _bulk(settings: Settings) -> Iterator[Row]:
    """Ten thousand distinct calls, in turns of a hundred: computed, then hit."""
    calls = settings.size(10_000, 20)
    turn = settings.size(100, 5)
    functions = _functions(_names(settings, NO_TIER), settings.folder / "bulk")
    for what in ("computed", "hit"):
        entries = {name: _ever_new(function) for name, function in functions.items()}
        samples = contest(entries, rounds=calls // turn, number=turn)
        yield Row(f"bulk of {calls:,} distinct calls, {what}, per call", samples)


def _crowd(settings: Settings) -> Row:
    """Eight processes on a fresh folder, each half of them asking for the same keys."""
    keys = settings.size(400, 20)
    names = _names(settings, "lru_cache", "fleche", NO_TIER)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    bodies: dict[str, set[int]] = {name: set() for name in names}
    for _ in range(settings.rounds(5)):
        for name in names:
            folder = Path(tempfile.mkdtemp(dir=settings.folder))
            taken_s, count = crowd(name, folder, keys)
            seconds[name].append(taken_s)
            bodies[name].add(count)
    ran = "; ".join(f"{name} {min(counts)}-{max(counts)}" for name, counts in bodies.items())
    return Row(
        f"8 processes, {keys} keys, {4 * keys:,} calls",
        Samples(seconds),
        (times_faster_than("joblib", 1), within("diskcache", 1.5)),
        f"a body takes 2 ms; bodies that ran: {ran}",
    )


def _without(samples: Samples, name: str) -> Samples:
    return Samples({key: times for key, times in samples.seconds.items() if key != name})


def _as_ours(samples: Samples, name: str) -> Samples:
    """The same rounds with another of our own contenders in our place."""
    if name not in samples.seconds:
        return _without(samples, OURS)
    return _without(Samples({**samples.seconds, OURS: samples.seconds[name]}), name)
