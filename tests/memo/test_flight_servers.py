"""One run per key among the processes that share a database server."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import fleche_like as fl
from tests import servers
from tests.memo import flight_workload as workload
from tests.memo.test_flight_processes import log, until

URLS = {"postgresql": servers.postgresql_url, "mariadb": servers.mariadb_url}


@pytest.fixture(
    params=[
        pytest.param("postgresql", marks=servers.needs_postgresql),
        pytest.param("mariadb", marks=servers.needs_mariadb),
    ]
)
def url(request):
    return URLS[request.param]()


@pytest.fixture
def cache(url):
    with fl.open_cache(url) as opened:
        fl.set_cache(opened)
        yield opened
        fl.set_cache(None)


def test_processes_run_each_key_once(url, cache, tmp_path):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        halves = [range(0, 60, 2), range(1, 60, 2)]
        asked = [pool.submit(workload.ask_for_all, tmp_path, halves[n % 2], url) for n in range(4)]
        assert sum(each.result(200) for each in asked) == 60
    assert sorted(map(int, log(tmp_path))) == [*range(60)]


def begin_in_child(folder, url, seconds):
    command = [sys.executable, "-m", "tests.memo.flight_workload", str(folder), str(seconds), url]
    child = subprocess.Popen(command)
    until(lambda: log(folder))
    return child


def test_a_killed_holder_is_taken_over(url, cache, tmp_path):
    child = begin_in_child(tmp_path, url, 600)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(workload.slow, 1, tmp_path, 0) for _ in range(4)]
        time.sleep(0.3)
        assert not any(each.done() for each in waiting)
        child.send_signal(signal.SIGKILL)
        assert [each.result(30) for each in waiting] == [1] * 4
    child.wait(10)
    assert [line.split()[0] for line in log(tmp_path)] == ["begin", "begin", "end"]


def test_a_loop_waits_without_being_blocked(url, cache, tmp_path):
    child = begin_in_child(tmp_path, url, 1.5)
    ticks = 0

    @fl.memoize(code="none", ignore=["folder", "seconds"])
    async def slow(n, folder, seconds=0.3):
        raise AssertionError("the child runs it")

    slow._engine.name, slow._engine.module = (
        workload.slow._engine.name,
        workload.slow._engine.module,
    )

    async def main():
        nonlocal ticks
        waiting = asyncio.create_task(slow(1, tmp_path))
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await waiting

    assert asyncio.run(main()) == 1
    assert ticks > 10
    assert child.wait(10) == 0


def test_processes_that_wait_for_each_other_run_twice(url, cache, tmp_path):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        asked = [pool.submit(workload.ask_crossed, tmp_path, name, url) for name in "ab"]
        assert [each.result(60) for each in asked] == ["a", "b"]


def test_many_waiters_take_one_connection(url, cache):
    began, go_on = threading.Event(), threading.Event()

    @fl.memoize(code="none")
    def f(n):
        began.set()
        go_on.wait(30)
        return n

    locks = cache.leases
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(f, n % 5) for n in range(20)]
        began.wait(30)
        time.sleep(0.3)
        connection = locks._connection
        go_on.set()
        assert sorted(each.result(30) for each in asked) == sorted(n % 5 for n in range(20))
    assert locks._connection is connection
    assert f.stats().misses == 5
