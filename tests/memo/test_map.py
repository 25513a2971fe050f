"""Batches: ``f.map``."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import threading
import time
from typing import Any

import pytest

import fleche_like as fl
from fleche_like.calls import Required
from fleche_like.database import Database
from tests.memo.parallel_work import Model, cube, fails_on_odd, square

pytestmark = pytest.mark.usefixtures("cache")


def counting(**options: Any) -> tuple[Any, list[Any]]:
    runs: list[Any] = []

    @fl.memoize(code="none", **options)
    def f(x, y=0):
        runs.append((x, y))
        return {"sum": x + y}

    return f, runs


def test_results_are_in_order_and_only_misses_run():
    f, runs = counting()
    f(3)
    assert list(f.map(range(5))) == [{"sum": x} for x in range(5)]
    assert runs == [(3, 0), (0, 0), (1, 0), (2, 0), (4, 0)]
    assert list(f.map(range(5))) == [{"sum": x} for x in range(5)]
    assert len(runs) == 5
    assert f.stats().hits == 6


def test_nothing_runs_before_it_is_asked_for():
    f, runs = counting()
    answers = f.map([1, 2])
    assert runs == []
    next(answers)
    assert runs == [(1, 0)]


def test_a_generator_without_end_is_read_in_chunks():
    f, _ = counting()
    read = []

    def numbers():
        for n in itertools.count():
            read.append(n)
            yield n

    assert list(itertools.islice(f.map(numbers(), chunk=10), 3)) == [{"sum": x} for x in range(3)]
    assert len(read) == 10


@pytest.mark.parametrize("executor", [None, concurrent.futures.ThreadPoolExecutor])
@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_equal_calls_run_once_and_share_nothing(executor, chunk):
    f, runs = counting()
    f(1)
    with executor(2) if executor else concurrent.futures.ThreadPoolExecutor(1) as pool:
        answers = list(f.map([1, 7, 1, 7, 7], executor=pool if executor else None, chunk=chunk))
    assert [answer["sum"] for answer in answers] == [1, 7, 1, 7, 7]
    assert runs == [(1, 0), (7, 0)]
    assert len({id(answer) for answer in answers}) == 5


def test_equal_calls_do_not_take_two_workers():
    runs = []

    @fl.memoize(code="none", single_flight=False)
    def f(x):
        runs.append(x)
        time.sleep(0.2)
        return [x]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(f.map([7, 7, 7], executor=pool, chunk=2)) == [[7]] * 3
    assert runs == [7]


def test_a_call_that_fails_twice_runs_once():
    runs = []

    @fl.memoize
    def f(x):
        runs.append(x)
        raise KeyError(x)

    first, second = f.map([1, 1], return_exceptions=True)
    assert first is second
    assert runs == [1]


def test_calls_that_are_not_cached_run_each_time():
    runs = []

    @fl.memoize
    def draw(n, seed: Required[int | None] = None):
        runs.append(n)
        return len(runs)

    assert list(draw.map([1, 1])) == [1, 2]
    with pytest.warns(fl.NotCachedWarning):
        assert [[*each] for each in square_of_iterators().map([iter([1]), iter([1])])] == [[1], [1]]


def square_of_iterators() -> Any:
    @fl.memoize
    def take(xs):
        return [*xs]

    return take


def test_items_may_be_all_arguments_of_their_call():
    f, runs = counting()
    assert list(f.map([(1, 2), {"y": 2, "x": 1}, [5], {"x": 5, "y": 0}], star=True)) == [
        {"sum": 3},
        {"sum": 3},
        {"sum": 5},
        {"sum": 5},
    ]
    assert runs == [(1, 2), (5, 0)]


def test_a_tuple_is_one_argument_unless_starred():
    @fl.memoize
    def length(xs):
        return len(xs)

    assert list(length.map([(1, 2), (1, 2, 3)])) == [2, 3]


def test_a_failure_is_raised_when_all_the_others_are_stored():
    handed_out: list[int] = []
    with pytest.raises(ValueError, match="1 is odd") as raised:
        handed_out.extend(fails_on_odd.map(range(6)))
    assert handed_out == [0]
    assert all(fails_on_odd.contains(x) for x in (0, 2, 4))
    (note,) = raised.value.__notes__
    assert "call 1 failed; so did 2 others (3, 5), and all 6 calls were made" in note


def test_exceptions_can_be_results():
    answers = list(fails_on_odd.map(range(4), return_exceptions=True))
    assert [answers[0], answers[2]] == [0, 2]
    assert [str(answers[1]), str(answers[3])] == ["1 is odd", "3 is odd"]


def test_a_wrong_call_fails_where_it_stands():
    f, _ = counting()
    answers = list(f.map([(1,), (1, 2, 3)], star=True, return_exceptions=True))
    assert answers[0] == {"sum": 1}
    assert isinstance(answers[1], TypeError)


def test_exceptions_that_are_stored_are_hits():
    runs = []

    @fl.memoize(exceptions=ValueError)
    def f(x):
        runs.append(x)
        raise ValueError(x)

    for _ in range(2):
        answers = list(f.map([1, 2], return_exceptions=True))
        assert [str(answer) for answer in answers] == ["1", "2"]
    assert runs == [1, 2]


def test_what_has_expired_runs_again():
    f, runs = counting(expire=0)
    assert list(f.map([1])) == list(f.map([1])) == [{"sum": 1}]
    assert len(runs) == 2


def test_an_interrupt_leaves_no_call_waiting():
    started = threading.Event()
    release = threading.Event()
    runs = []

    @fl.memoize(code="none")
    def f(x):
        runs.append(x)
        started.set()
        release.wait(20)
        return x

    pool = concurrent.futures.ThreadPoolExecutor(1)

    def items():
        yield from range(10)
        started.wait(20)
        raise KeyboardInterrupt

    with pool:
        answers = f.map(items(), executor=pool, chunk=10)
        with pytest.raises(KeyboardInterrupt):
            next(answers)
        release.set()
    assert runs == [0]


def test_leaving_early_cancels_what_has_not_begun():
    release = threading.Event()
    f, runs = counting()

    @fl.memoize(code="none")
    def waits(x):
        if x:
            release.wait(20)
        return f(x)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answers = waits.map(range(10), executor=pool)
        next(answers)
        answers.close()
        release.set()
    assert len(runs) <= 2


def test_a_pool_that_takes_no_work_fails_the_calls_and_keeps_the_hits():
    f, _ = counting()
    f(1)
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.shutdown()
    hit, failed = f.map([1, 2], executor=pool, return_exceptions=True)
    assert hit == {"sum": 1}
    assert isinstance(failed, RuntimeError)


def test_methods_know_their_instance():
    assert list(Model(3).predict.map([1, 2])) == [3, 6]
    assert Model(3).predict.contains(2)
    assert not Model(4).predict.contains(2)


def test_the_cache_is_the_one_in_use_where_the_batch_was_made(tmp_path):
    with fl.open_cache(tmp_path / "other") as other:
        with fl.use_cache(other):
            answers = square.map([1, 2])
        assert list(answers) == [[1], [4]]
        assert other.stats().calls == 2
    assert not square.contains(1)


def test_a_chunk_is_looked_up_in_one_statement(tmp_path, monkeypatch):
    with fl.open_cache(tmp_path / "cache") as cache, fl.use_cache(cache):
        assert len(list(square.map(range(250)))) == 250
    with fl.open_cache(tmp_path / "cache") as cache, fl.use_cache(cache):
        square(0)
        statements = []
        for name in ("read", "read_one"):
            plain = getattr(Database, name)

            def noted(self, prepared, params=(), plain=plain):
                statements.append(prepared.text)
                return plain(self, prepared, params)

            monkeypatch.setattr(Database, name, noted)
        assert len(list(square.map(range(250), chunk=100))) == 250
    about_calls = [text for text in statements if "calls" in text]
    assert len(about_calls) == 3


def test_chunks_have_a_call_at_least():
    with pytest.raises(ValueError, match="chunk=0"):
        square.map([], chunk=0)


def test_coroutine_functions_give_an_asynchronous_iterator():
    running, most = 0, 0

    @fl.memoize(code="none")
    async def f(x):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        if x == 2:
            raise ValueError(x)
        return x * 10

    async def all_of(items, **options):
        return [answer async for answer in f.map(items, **options)]

    assert asyncio.run(all_of([0, 1, 3, 1], chunk=10)) == [0, 10, 30, 10]
    assert most == 3
    answers = asyncio.run(all_of(range(5), return_exceptions=True))
    assert [str(answer) for answer in answers] == ["0", "10", "2", "30", "40"]
    with pytest.raises(ValueError, match="2") as raised:
        asyncio.run(all_of([2, 7]))
    assert "all 2 calls were made" in raised.value.__notes__[0]
    assert f.contains(7)


def test_coroutine_functions_run_in_executors_too():
    async def main():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return [answer async for answer in cube.map([1, 2, 3], executor=pool)]

    assert asyncio.run(main()) == [1, 8, 27]
    assert cube.contains(3)


def test_leaving_an_asynchronous_batch_cancels_its_tasks():
    ended: list[int] = []

    @fl.memoize(code="none")
    async def f(x):
        begun.release()
        try:
            await asyncio.sleep(x)
        except asyncio.CancelledError:
            ended.append(x)
            raise
        return x

    async def main():
        answers: Any = f.map([0, 20, 30])
        assert await anext(answers) == 0
        for _ in range(3):
            await begun.acquire()
        await answers.aclose()

    begun = asyncio.Semaphore(0)
    asyncio.run(main())
    assert sorted(ended) == [20, 30]
