"""One run per key among the threads of a process."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import fleche_like as fl
from fleche_like.cache import RefreshingCache
from fleche_like.memo import flight, waiting
from fleche_like.support.filelocks import FileLocks


@pytest.fixture(params=["folder", "memory"])
def cache(request, tmp_path):
    target = tmp_path / "cache" if request.param == "folder" else "memory://"
    with fl.open_cache(target) as opened:
        fl.set_cache(opened)
        yield opened
        fl.set_cache(None)
    assert not flight.process.turns


def together(count, ask):
    """Run ``ask`` in so many threads at once; return what each returned or raised."""
    start = threading.Barrier(count)

    def begin(number):
        start.wait(30)
        try:
            return ask(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return [each.result(30) for each in [pool.submit(begin, n) for n in range(count)]]


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_many_threads_run_a_body_once(cache):
    runs = []

    @fl.memoize(code="none")
    def f(x):
        runs.append(x)
        time.sleep(0.1)
        return {"x": x}

    answers = together(20, lambda n: f(n % 2))
    assert answers == [{"x": n % 2} for n in range(20)]
    assert sorted(runs) == [0, 1]
    assert len({id(each) for each in answers}) == 20
    assert (f.stats().hits, f.stats().misses) == (18, 2)


def test_it_can_be_turned_off(cache):
    runs = []
    both = threading.Barrier(2)

    @fl.memoize(code="none", single_flight=False)
    def f(x):
        both.wait(10)
        runs.append(x)
        return x

    assert together(2, lambda n: f(1)) == [1, 1]
    assert runs == [1, 1]


def test_one_who_waits_takes_over_from_one_who_fails(cache):
    runs = []

    @fl.memoize(code="none")
    def f(x):
        runs.append(x)
        time.sleep(0.05)
        if len(runs) < 3:
            raise ValueError(len(runs))
        return x

    answers = together(6, lambda n: f(1))
    assert len(runs) == 3
    assert sorted(str(each) for each in answers) == ["1", "1", "1", "1", "1", "2"]


def test_nobody_waits_for_what_is_not_stored(cache):
    """Else each would run after the other, slower than without a cache."""
    runs = []
    rest = threading.Barrier(9)

    @fl.memoize(code="none", cache_if=lambda result: False)
    def f(x):
        runs.append(x)
        if len(runs) > 1:
            rest.wait(20)
        else:
            until(lambda: sum(len(turn.waiting) for turn in flight.process.turns.values()) == 9)
        return x

    assert together(10, lambda n: f(1)) == [1] * 10


def test_a_function_may_call_itself(cache):
    @fl.memoize(code="none")
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert together(4, lambda n: fib(20)) == [6765] * 4
    assert fib.stats().misses == 21


def test_a_function_may_call_itself_with_the_same_key(cache):
    @fl.memoize(code="none", ignore="depth")
    def f(x, depth=2):
        return x + 1 if depth == 0 else f(x, depth - 1)

    assert f(1) == 2


def test_threads_that_wait_for_each_other_run_twice(cache):
    both = threading.Barrier(2)

    @fl.memoize(code="none", ignore="deeper")
    def f(name, deeper=True):
        if deeper:
            both.wait(10)
            f({"a": "b", "b": "a"}[name], False)
        return name

    assert together(2, lambda n: f("ab"[n])) == ["a", "b"]


def test_a_circle_of_three(cache):
    all_of_them = threading.Barrier(3)

    @fl.memoize(code="none", ignore="deeper")
    def f(n, deeper=True):
        if deeper:
            all_of_them.wait(10)
            f((n + 1) % 3, False)
        return n

    assert together(3, f) == [0, 1, 2]


def test_a_circle_through_two_functions_and_a_third_who_waits(cache):
    both = threading.Barrier(2)

    @fl.memoize(code="none", ignore="deeper")
    def g(deeper=True):
        if deeper:
            both.wait(10)
            f(False)
        return "g"

    @fl.memoize(code="none", ignore="deeper")
    def f(deeper=True):
        if deeper:
            both.wait(10)
            g(False)
        return "f"

    def ask(n):
        if n > 1:
            time.sleep(0.05)
            return f(False)
        return (f, g)[n]()

    assert together(5, ask) == ["f", "g", "f", "f", "f"]


def test_waiting_inside_a_body_without_a_circle_waits(cache):
    runs = []
    began = threading.Event()

    @fl.memoize(code="none")
    def inner(x):
        runs.append(x)
        began.set()
        time.sleep(3 * waiting.CHECK_S)
        return x

    @fl.memoize(code="none")
    def outer(x, y):
        began.wait(10)
        return inner(x) + y

    assert together(3, lambda n: inner(1) if n == 0 else outer(1, n)) == [1, 2, 3]
    assert runs == [1]


def test_two_caches_on_one_folder_are_one(tmp_path):
    runs = []

    def slow(x):
        runs.append(x)
        time.sleep(0.2)
        return x

    with fl.open_cache(tmp_path / "c") as one, fl.open_cache(tmp_path / "c") as two:
        bound = [fl.memoize(cache=cache, code="none")(slow) for cache in (one, two)]
        assert together(4, lambda n: bound[n % 2](1)) == [1] * 4
    assert runs == [1]


def test_two_caches_on_one_folder_that_wait_for_each_other(tmp_path):
    """As two processes would: by pairs, of which nothing is left."""
    both = threading.Barrier(2)
    with fl.open_cache(tmp_path / "c") as one, fl.open_cache(tmp_path / "c") as two:

        @fl.memoize(code="none", ignore="deeper")
        def f(name, deeper=True):
            if deeper:
                both.wait(10)
                f({"a": "b", "b": "a"}[name], False)
            return name

        def ask(n):
            with fl.use_cache((one, two)[n]):
                return f("ab"[n])

        assert together(2, ask) == ["a", "b"]
        assert isinstance(one.leases, FileLocks)
        assert not one.leases.held()


def test_a_folder_that_cannot_hold_leases_costs_only_them(tmp_path):
    with fl.open_cache(tmp_path / "cache") as cache:
        (tmp_path / "cache" / "leases").mkdir()

        @fl.memoize(cache=cache, code="none", strict=True)
        def f(x):
            time.sleep(0.05)
            return x

        assert together(4, lambda n: f(1)) == [1] * 4
        assert f.stats().misses == 1


@pytest.mark.parametrize("view", [False, True])
def test_what_was_begun_before_a_rerun_does_not_replace_its_result(cache, view):
    """A slow call, and a rerun (or a refreshing view) that would be done before it is."""
    results, begun, go_on = iter(["old", "new"]), threading.Event(), threading.Event()

    @fl.memoize(code="none")
    def f(x):
        result = next(results)
        if result == "old":
            begun.set()
            go_on.wait(30)
        return result

    def again():
        if not view:
            return f.rerun(1)
        with fl.use_cache(RefreshingCache(cache)):
            return f(1)

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(f, 1)
        begun.wait(30)
        newer = pool.submit(again)
        time.sleep(0.3)
        go_on.set()
        assert (slow.result(30), newer.result(30)) == ("old", "new")
    assert f(1) == "new"


def test_a_body_may_rerun_itself(cache):
    runs = []

    @fl.memoize(code="none")
    def f(x):
        runs.append(x)
        return x if len(runs) > 2 else f.rerun(x)

    assert f.rerun(7) == 7
    assert runs == [7, 7, 7]
