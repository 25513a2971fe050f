"""One run per key among tasks, and a loop that is never blocked."""

from __future__ import annotations

import asyncio
import threading

import pytest

import fleche_like as fl
from fleche_like.memo import flight
from tests.memo import flight_workload as workload
from tests.memo.test_flight_processes import begin_in_child, until


@pytest.fixture
def cache(tmp_path):
    with fl.open_cache(tmp_path / "cache") as opened:
        fl.set_cache(opened)
        yield opened
        fl.set_cache(None)
    assert not flight.process.turns


def sleeper(seconds=0.1, **options):
    runs = []

    @fl.memoize(code="none", **options)
    async def f(x):
        runs.append(x)
        await asyncio.sleep(seconds)
        return {"x": x}

    return f, runs


def test_many_tasks_run_a_body_once(cache):
    f, runs = sleeper()

    async def main():
        return await asyncio.gather(*(f(n % 2) for n in range(40)))

    answers = asyncio.run(main())
    assert answers == [{"x": n % 2} for n in range(40)]
    assert len({id(each) for each in answers}) == 40
    assert sorted(runs) == [0, 1]


def test_it_can_be_turned_off(cache):
    f, runs = sleeper(single_flight=False)

    async def main():
        await asyncio.gather(f(1), f(1))

    asyncio.run(main())
    assert runs == [1, 1]


def test_cancelling_one_who_waits_cancels_nobody_else(cache):
    f, runs = sleeper(0.3)

    async def main():
        tasks = [asyncio.create_task(f(1)) for _ in range(5)]
        await asyncio.sleep(0.1)
        tasks[2].cancel()
        tasks[4].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(main())
    assert [type(each) for each in answers] == [
        dict, dict, asyncio.CancelledError, dict, asyncio.CancelledError,
    ]  # fmt: skip
    assert runs == [1]


def test_cancelling_the_one_who_runs_lets_another_run(cache):
    f, runs = sleeper(0.3)

    async def main():
        tasks = [asyncio.create_task(f(1)) for _ in range(5)]
        await asyncio.sleep(0.1)
        (running,) = [task for task in tasks if runs and task is tasks[0]]
        running.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(main())
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [{"x": 1}] * 4
    assert runs == [1, 1]


@pytest.mark.parametrize("seed", range(10))
def test_cancellations_at_any_moment_leave_nothing_behind(cache, seed):
    f, _ = sleeper(0.01)

    async def main():
        tasks = [asyncio.create_task(f(n % 3)) for n in range(12)]
        await asyncio.sleep(0.002 * seed)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await asyncio.wait_for(asyncio.gather(*(f(n) for n in range(3))), 20)

    assert asyncio.run(main()) == [{"x": n} for n in range(3)]
    assert not flight.process.turns


def test_threads_with_loops_of_their_own_share_a_run(cache):
    f, runs = sleeper(0.2)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(f(1)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [{"x": 1}] * 4
    assert runs == [1]


def test_tasks_that_wait_for_each_other_run_twice(cache):
    @fl.memoize(code="none", ignore="deeper")
    async def f(name, deeper=True):
        if deeper:
            await asyncio.sleep(0.1)
            await f({"a": "b", "b": "a"}[name], False)
        return name

    async def main():
        return await asyncio.wait_for(asyncio.gather(f("a"), f("b")), 20)

    assert asyncio.run(main()) == ["a", "b"]


def test_subtasks_may_ask_for_what_their_body_computes(cache):
    @fl.memoize(code="none", ignore="deeper")
    async def f(x, deeper=True):
        if deeper:
            async with asyncio.TaskGroup() as group:
                group.create_task(f(x, False))
        return x

    assert asyncio.run(asyncio.wait_for(f(1), 20)) == 1


def test_waiting_for_another_process_does_not_block_the_loop(tmp_path):
    workload.open_here(tmp_path)
    child = begin_in_child(tmp_path, 3.0)

    @fl.memoize(code="none", ignore=["folder", "seconds"])
    async def slow(n, folder, seconds):
        raise AssertionError("the child runs it")

    slow._engine.name = workload.slow._engine.name  # the same key as the child's
    slow._engine.module = workload.slow._engine.module

    async def main():
        waiting = asyncio.create_task(slow(1, str(tmp_path), 0))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.001)
            turns += 1
        return await waiting, turns

    answer, turns = asyncio.run(main())
    assert answer == 1
    assert turns > 20
    assert child.wait(10) == 0
    fl.current_cache().close()
    fl.set_cache(None)


def test_a_hit_in_memory_answers_without_a_thread(cache, monkeypatch):
    f, runs = sleeper(0)

    async def main():
        for _ in range(4):
            await f(1)
        monkeypatch.setattr(asyncio, "to_thread", None)
        return await f(1)

    assert asyncio.run(main()) == {"x": 1}
    assert runs == [1]
    assert f.stats().hits == 4


def test_a_coroutine_that_is_closed_leaves_nothing_behind(cache):
    @fl.memoize(code="none")
    async def f(x):
        await asyncio.sleep(60)

    async def main():
        task = asyncio.create_task(f(1))
        await asyncio.sleep(0.2)
        task.cancel()

    asyncio.run(main())
    coroutine = f(2)
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)
    coroutine.close()
    until(lambda: not flight.process.turns, 5)


def test_what_was_begun_before_a_rerun_does_not_replace_its_result(cache):
    results = iter(["old", "new"])

    @fl.memoize(code="none")
    async def f(x):
        result = next(results)
        await asyncio.sleep(0.3 if result == "old" else 0)
        return result

    async def main():
        slow = asyncio.ensure_future(f(1))
        await asyncio.sleep(0.1)
        return await asyncio.gather(slow, f.rerun(1)), await f(1)

    assert asyncio.run(main()) == (["old", "new"], "new")
