"""Threads, processes, forks and kills."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fleche_like as fl
from tests.memo import workload


def test_a_thousand_threads_on_one_key(cache):
    @fl.memoize
    def f(x):
        return {"x": x}

    start = threading.Barrier(1000)
    answers = []

    def ask() -> None:
        start.wait(60)
        answers.append(f(7))

    threads = [threading.Thread(target=ask) for _ in range(1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert answers == [{"x": 7}] * 1000
    assert f.stats().uncached == 0
    assert len({id(answer) for answer in answers}) == 1000
    assert cache.stats().calls == 1


def test_eight_processes_on_one_fresh_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(8, mp_context=context) as pool:
        runs = [pool.submit(workload.work, tmp_path / "cache", range(20)) for _ in range(8)]
        ran = [run.result(120) for run in runs]
    with fl.open_cache(tmp_path / "cache") as cache:
        assert cache.stats().calls == 40
        check_every_call(cache)
    assert sum(ran) >= 40


def check_every_call(cache) -> int:
    """Every record has its result, and the right one; return how many there are."""
    count = 0
    for call in cache.query():
        n = call.arguments["n"]
        np.testing.assert_equal(call.result, workload.expected(call.name, n))
        count += 1
    return count


@pytest.mark.parametrize("seed", range(3))
def test_sigkill_in_the_middle_of_saving_breaks_nothing(tmp_path, seed):
    rng = random.Random(seed)
    folder = tmp_path / "cache"
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.memo.workload", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.read(1) == b"x"
        time.sleep(rng.uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        stored = 1 + len(child.communicate(timeout=60)[0])
        with fl.open_cache(folder) as cache:
            assert check_every_call(cache) >= 2 * stored
    assert workload.work(folder, range(3)) >= 0


def _ask_in_child(answer) -> None:
    answer.put((workload.small(1), workload.small(os.getpid())["n"] == os.getpid()))


def test_a_process_that_forks_while_the_cache_is_open(cache):
    context = multiprocessing.get_context("fork")
    assert workload.small(1) == workload.expected("small", 1)
    answer = context.SimpleQueue()
    stop = threading.Event()

    def keep_writing() -> None:
        n = 1000
        while not stop.is_set():
            workload.small(n)
            n += 1

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(5):
            child = context.Process(target=_ask_in_child, args=(answer,))
            child.start()
            child.join(60)
            assert child.exitcode == 0
            assert answer.get() == ({"n": 1, "square": 1}, True)
    finally:
        stop.set()
        writer.join()
    assert workload.small.stats().uncached == 0
    assert workload.small(1) == workload.expected("small", 1)


@pytest.mark.parametrize("change", ["evict", "rerun"])
def test_another_process_is_noticed(tmp_path, change):
    """Another cache object on the folder shares nothing in memory with ours, as a process would."""
    source = {"value": 1}

    @fl.memoize(code="none")
    def read(name):
        return source[name]

    folder = tmp_path / "cache"
    with fl.open_cache(folder) as ours, fl.open_cache(folder) as theirs:
        with fl.use_cache(ours):
            assert [read("value"), read("value"), read("value")] == [1, 1, 1]
            assert len(ours.memory) == 1
        source["value"] = 2
        with fl.use_cache(theirs):
            getattr(read, change)("value")
        time.sleep(0.05)
        with fl.use_cache(ours):
            assert read("value") == 2
