"""Executors of every kind, run for real, against one shared cache."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import joblib.externals.loky as loky
import pytest

import fleche_like as fl
from fleche_like.index import upgrade
from fleche_like.memo import BoundCall
from tests.memo import parallel_work as work
from tests.memo.conftest import in_every_thread
from tests.servers import S3, needs_postgresql, needs_s3, postgresql_url, s3_bucket

SCRIPT = Path(__file__).with_name("parallel_script.py")
ROOT = Path(__file__).parents[2]


def threads() -> Any:
    return concurrent.futures.ThreadPoolExecutor(2)


def processes(method: str) -> Any:
    context = multiprocessing.get_context(method)
    return concurrent.futures.ProcessPoolExecutor(2, mp_context=context)


@contextlib.contextmanager
def dask() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@contextlib.contextmanager
def ray() -> Iterator[Any]:
    library = pytest.importorskip("ray", reason="Ray is not installed: too large for every run")
    library.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    try:
        yield RayExecutor(library)
    finally:
        library.shutdown()


class RayExecutor(concurrent.futures.Executor):
    """What docs/parallel.md shows: Ray's tasks as an executor."""

    def __init__(self, library: Any) -> None:
        self._ray = library

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._ray.remote(call).remote(fn, args, kwargs).future()


def call(function, args, kwargs):
    return function(*args, **kwargs)


POOLS: dict[str, Any] = {
    "threads": threads,
    "fork": lambda: processes("fork"),
    "spawn": lambda: processes("spawn"),
    "forkserver": lambda: processes("forkserver"),
    "loky": lambda: loky.ProcessPoolExecutor(2),
    "dask": dask,
    "ray": ray,
}


@pytest.fixture(params=POOLS)
def pool(request):
    with POOLS[request.param]() as opened:
        yield opened


class Refusing(concurrent.futures.Executor):
    """An executor that a hit must never reach."""

    def submit(self, fn, /, *args, **kwargs):
        raise AssertionError("a hit reached the executor")


def use(pool: Any) -> None:
    """The main job: misses are computed there and stored for all, hits are answered here."""
    assert list(work.nested.map([1, 2, 3], executor=pool)) == [[1, 1], [4, 2], [9, 3]]
    assert all(map(work.nested.contains, [1, 2, 3]))
    assert all(map(work.square.contains, [1, 2, 3]))
    assert list(work.nested.map([3, 1], executor=Refusing())) == [[9, 3], [1, 1]]
    wrapped = fl.wrap_executor(pool)
    assert wrapped.submit(work.where, 1).result(60) == work.where.load(1)
    assert wrapped.submit(work.Model(3).predict, x=2).result(60) == 6
    assert list(wrapped.map(work.Model(3).predict, [2, 4])) == [6, 12]
    assert work.Model(3).predict.contains(4)
    assert wrapped.submit(work.run_cube, 3).result(60) == 27
    assert wrapped.submit(work.url_in_use).result(60) == fl.current_cache().url
    hits = fl.wrap_executor(Refusing())
    assert hits.submit(work.square, x=3).result() == [9]
    assert hits.submit(work.square.bind(3)).result() == [9]
    assert list(hits.map(work.square, [1, 2, 1])) == [[1], [4], [1]]


def test_an_embedded_cache_is_shared(pool, cache):
    use(pool)
    failed = list(work.fails_on_odd.map(range(4), executor=pool, return_exceptions=True))
    assert [failed[0], failed[2]] == [0, 2]
    assert all(isinstance(failed[x], ValueError) for x in (1, 3))
    assert "3 is odd" in str(failed[3])  # Ray puts its own words around it


@needs_postgresql
@needs_s3
@pytest.mark.parametrize("name", ["spawn", "dask"])
def test_a_server_and_an_object_store_are_shared(name, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-access")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", S3)
    url = postgresql_url()
    upgrade(url)
    opened = fl.open_cache(url, values=f"s3://{s3_bucket()}/{uuid.uuid4().hex}")
    with opened, contextlib.contextmanager(in_every_thread)(opened), POOLS[name]() as pool:
        use(pool)


def test_the_pool_computes_elsewhere(cache):
    with processes("spawn") as pool:
        assert os.getpid() not in list(work.where.map(range(4), executor=pool))


@pytest.mark.parametrize("name", ["fork", "spawn", "loky", "dask"])
def test_functions_of_the_main_script_travel(name, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, name, tmp_path / "cache"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["answers"] == [[102, 104, 108], [-99, -98], [8, 9], [10, 11]]
    assert told["stored"] == [True] * 6, done.stderr
    assert told["runs"] == [0, 0, 0]


def test_a_worker_that_dies_fails_its_calls_alone(cache):
    @fl.memoize
    def dies(x):
        if x == 2:
            os.kill(os.getpid(), 9)
        return x

    with processes("spawn") as pool:
        answers = list(dies.map([0, 1], executor=pool))
        rest = list(dies.map([0, 2, 1], executor=pool, return_exceptions=True))
    assert answers == [0, 1]
    assert [rest[0], rest[2]] == [0, 1]
    assert isinstance(rest[1], concurrent.futures.process.BrokenProcessPool)


def test_bound_calls_pickle_with_their_cache(cache, tmp_path):
    with fl.open_cache(tmp_path / "other") as other:
        with fl.use_cache(other):
            call = work.nested.bind(x=5)
        copy: BoundCall[list[int]] = pickle.loads(pickle.dumps(call))
        assert copy() == call() == [25, 5]
        with fl.use_cache(other):
            assert work.nested.contains(5)
            assert work.square.contains(5)
    assert not work.square.contains(5)


def test_memoized_functions_pickle_as_themselves(cache):
    assert pickle.loads(pickle.dumps(work.square)) is work.square
    assert pickle.loads(pickle.dumps(work.Model(2).predict))(4) == 8


def test_a_local_function_pickles_as_what_it_is(cache):
    offset = 3

    @fl.memoize(version="a")
    def add(x):
        return x + offset if x < 10 else add(x - 10)

    copy = pickle.loads(pickle.dumps(add))
    assert copy is not add
    assert copy(25) == 8
    assert copy.key(1) == add.key(1)
    assert add.contains(25)
    assert add.contains(5)
    assert pickle.loads(pickle.dumps(add)) is copy


def test_a_local_function_that_changed_is_sent_anew(cache):
    offset = 3

    @fl.memoize
    def add(x):
        return x + offset

    with processes("spawn") as pool:
        assert list(add.map([1], executor=pool)) == [4]
        offset = 5
        assert list(add.map([1, 2], executor=pool)) == [6, 7]
    assert add.contains(2)


def test_a_cache_in_memory_stays_where_it_is():
    @fl.memoize
    def f(x):
        return x + 1

    with fl.use_cache(fl.open_cache("memory://")):
        call = f.bind(1)
        with pytest.warns(fl.NotCachedWarning, match="memory:// cache goes with its process"):
            packed = pickle.dumps(call)
        assert pickle.loads(packed)() == 2  # the same cache, in the same process
        assert f.contains(1)
        with processes("spawn") as pool:
            assert list(f.map([5], executor=pool)) == [6]


def test_a_cache_that_cannot_be_opened_there_costs_the_caching(tmp_path):
    folder = tmp_path / "cache"
    with fl.open_cache(folder) as cache, fl.use_cache(cache):
        packed = pickle.dumps(work.square.bind(4))
    program = (
        "import pickle, sys, warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    print(pickle.loads(sys.stdin.buffer.read())())\n"
        "print([str(each.message) for each in caught])\n"
    )
    (folder / "index.db").write_bytes(b"no database at all" * 1000)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=packed,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    answer, told = done.stdout.decode().splitlines()
    assert answer == "[16]"
    assert "cannot be opened here" in told


def test_a_batch_is_interrupted_cleanly(tmp_path):
    program = (
        "import concurrent.futures, multiprocessing, sys\n"
        "import fleche_like as fl\n"
        "from tests.memo import parallel_work as work\n"
        "fl.set_cache(fl.open_cache(sys.argv[1]))\n"
        "context = multiprocessing.get_context('spawn')\n"
        "pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)\n"
        "list(work.square.map([1], executor=pool))\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    list(work.slow.map(range(50), executor=pool))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
        "    [worker.kill() for worker in pool._processes.values()]\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "cache"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.5)
    child.send_signal(2)
    out, _ = child.communicate(timeout=60)
    assert "interrupted" in out


def test_an_executor_is_wrapped_once():
    with fl.wrap_executor(threads()) as wrapped:
        assert fl.wrap_executor(wrapped) is wrapped
        assert wrapped.submit(max, 1, 2).result() == 2
        assert list(wrapped.map(max, [1, 5], [3, 4])) == [3, 5]
        wrapped.shutdown(cancel_futures=True)
        with pytest.raises(RuntimeError):
            wrapped.submit(max, 1, 2)


def test_a_mapping_that_takes_too_long_times_out(cache):
    with threads() as pool:
        answers = fl.wrap_executor(pool).map(wait_a_second, [1], timeout=0.01)
        with pytest.raises(TimeoutError):
            list(answers)


@fl.memoize
def wait_a_second(x):
    time.sleep(1)
    return x


def test_a_bound_call_is_known_by_what_it_was_however_often_it_is_passed_on_and_made(cache):
    @fl.memoize
    def total(numbers):
        return sum(numbers)

    here = total.bind([1, 2])
    there = pickle.loads(pickle.dumps(here))
    there.args[0].append(3)  # as if its classes were others there
    further = pickle.loads(pickle.dumps(there))
    assert [there(), there(), further()] == [6, 6, 6]
    assert cache.query(name=total.__qualname__).count() == 1
    assert total.contains([1, 2])
