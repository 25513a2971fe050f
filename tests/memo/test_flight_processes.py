"""One run per key among processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

import fleche_like as fl
from tests.memo import flight_workload as workload


@pytest.fixture
def folder(tmp_path):
    workload.open_here(tmp_path)
    yield tmp_path
    fl.current_cache().close()
    fl.set_cache(None)


@pytest.fixture(scope="module")
def pool():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(8, mp_context=context) as running:
        yield running


def log(folder):
    path = folder / "log"
    return path.read_text().splitlines() if path.exists() else []


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_eight_processes_run_each_of_four_hundred_keys_once(folder, pool):
    """1,600 calls: each half of the keys is asked for by four processes, in the same order."""
    halves = [range(0, 400, 2), range(1, 400, 2)]
    asked = [pool.submit(workload.ask_for_all, folder, halves[n % 2]) for n in range(8)]
    assert sum(each.result(120) for each in asked) == 400
    assert sorted(map(int, log(folder))) == [*range(400)]


def test_those_who_wait_get_the_result_of_the_one_who_runs(folder, pool):
    asked = [pool.submit(workload.ask_slowly, folder, 7, 0.5) for _ in range(8)]
    assert [each.result(60) for each in asked] == [7] * 8
    assert len(log(folder)) == 2


def test_other_keys_do_not_wait(folder, pool):
    asked = [pool.submit(workload.ask_slowly, folder, n, 0.5) for n in range(8)]
    assert [each.result(60) for each in asked] == [*range(8)]
    events = [line.split()[0] for line in log(folder)]
    assert events != ["begin", "end"] * 8


def begin_in_child(folder, seconds):
    command = [sys.executable, "-m", "tests.memo.flight_workload", str(folder), str(seconds)]
    child = subprocess.Popen(command)
    until(lambda: log(folder))
    return child


@pytest.mark.parametrize("times", range(2))
def test_a_killed_holder_is_taken_over(folder, times):
    child = begin_in_child(folder, 600)
    answers = []
    waiting = [
        threading.Thread(target=lambda: answers.append(workload.slow(1, folder, 0)))
        for _ in range(4)
    ]
    for thread in waiting:
        thread.start()
    time.sleep(0.2)
    assert not answers
    child.send_signal(signal.SIGKILL)
    for thread in waiting:
        thread.join(30)
    assert answers == [1] * 4
    child.wait(10)
    assert [line.split()[0] for line in log(folder)] == ["begin", "begin", "end"]


def test_an_interrupted_waiter_leaves_nothing_behind(folder):
    child = begin_in_child(folder, 600)
    alarm = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    alarm.start()
    with pytest.raises(KeyboardInterrupt):
        workload.slow(1, folder, 0)
    alarm.join()
    child.kill()
    child.wait(10)
    assert workload.slow(1, folder, 0) == 1
    check = begin_elsewhere(folder)
    assert check.wait(30) == 0


def begin_elsewhere(folder):
    return subprocess.Popen([sys.executable, "-m", "tests.memo.flight_workload", str(folder), "0"])


def test_processes_that_wait_for_each_other_run_twice(folder, pool):
    asked = [pool.submit(workload.ask_crossed, folder, name) for name in "ab"]
    assert [each.result(20) for each in asked] == ["a", "b"]
    assert 2 <= len(log(folder)) <= 4


def test_a_child_forked_inside_a_body_does_not_wait_for_it(folder):
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()

    @fl.memoize(code="none", ignore="deeper")
    def forks(n, deeper=True):
        if deeper:
            child = context.Process(target=lambda: answer.put(forks(n, False)))
            child.start()
            child.join(20)
            assert child.exitcode == 0
            return answer.get()
        return n

    assert forks(3) == 3


def test_a_slow_body_keeps_its_lease(folder):
    """Leases have no time to live, so there is nothing to renew: it is held until the end."""
    child = begin_in_child(folder, 1.5)
    assert workload.slow(1, folder, 0) == 1
    assert child.wait(10) == 0
    assert len(log(folder)) == 2
