"""Exceptions as results."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

import fleche_like as fl
from fleche_like.memo import Raised
from tests.memo.test_policies import clock

__all__ = ["clock"]


class Detailed(ValueError):
    """Has attributes beside its arguments."""

    def __init__(self, message, detail):
        super().__init__(message, detail)
        self.detail = detail


class ComesBackAsAnother(Exception):
    def __reduce__(self):
        return ValueError, ("another",)


class NeverComesBack(Exception):
    def __init__(self, one, two):
        super().__init__("just one argument")


def raising(make, **options):
    runs = []

    @fl.memoize(code="none", **options)
    def f(x):
        runs.append(x)
        raise make(len(runs))

    return f, runs


def caught(f, *args):
    try:
        f(*args)
    except Exception as error:
        return error
    pytest.fail("nothing was raised")


def test_a_hit_raises_what_the_body_raised(either_cache):
    f, runs = raising(lambda run: Detailed("no", {"run": run}), exceptions=Detailed)
    first = caught(f, 1)
    later = [caught(f, 1) for _ in range(4)]
    assert runs == [1]
    for each in later:
        assert type(each) is Detailed
        assert each.args == first.args
        assert each.detail == {"run": 1}
    assert f.stats().failures == 1
    assert f.stats().hits == 4


def test_no_two_hits_share_anything(either_cache):
    f, _ = raising(lambda run: Detailed("no", {"run": run}), exceptions=[Detailed])
    caught(f, 1)
    for _ in range(4):
        error = caught(f, 1)
        assert error.detail == {"run": 1}
        assert error.__context__ is None
        error.detail["run"] = 7
        error.args = ()
        error.more = "more"


def test_other_types_are_not_stored(cache):
    f, runs = raising(lambda run: KeyError(run), exceptions=(ValueError, OSError))
    caught(f, 1)
    caught(f, 1)
    assert len(runs) == 2
    assert cache.stats().calls == 0


def test_subclasses_are_stored(cache):
    f, runs = raising(lambda run: FileNotFoundError(2, "no", "x"), exceptions=OSError)
    caught(f, 1)
    error = caught(f, 1)
    assert (error.errno, error.filename) == (2, "x")
    assert len(runs) == 1


def test_each_type_has_its_own_time_to_live(cache, clock):
    errors = {1: ValueError, 2: OSError, 3: ConnectionError}
    runs = []

    @fl.memoize(
        code="none", expire=100, exceptions={OSError: 60, ValueError: None, ConnectionError: 30}
    )
    def f(x):
        runs.append(x)
        raise errors[x]("no")

    def asked_after(seconds):
        runs.clear()
        clock.ahead_s = seconds
        for x in errors:
            caught(f, x)
        clock.ahead_s = 0
        return [*runs]

    assert asked_after(0) == [1, 2, 3]
    assert asked_after(29) == []
    assert asked_after(31) == [3]
    assert asked_after(61) == [2, 3]
    assert asked_after(101) == [1, 2, 3]


def test_a_query_shows_what_was_raised(cache):
    f, _ = raising(lambda run: ValueError("too small"), exceptions=ValueError)
    caught(f, 1)
    call = f.query().one()
    assert call.result == Raised(ValueError("too small"))
    assert call.metadata["raised"] == "ValueError"
    assert call.metadata["runtime"]["walltime"] >= 0
    assert cache.query().where(fl.meta("raised") == "ValueError").count() == 1
    assert "too small" in repr(call.result)


def test_tools_treat_it_as_a_hit(cache):
    f, runs = raising(lambda run: ValueError(run), exceptions=ValueError)
    assert not f.contains(1)
    caught(f, 1)
    assert f.contains(1)
    assert caught(f.load, 1).args == (1,)
    assert caught(f.rerun, 1).args == (2,)
    assert caught(f, 1).args == (2,)
    f.evict(1)
    assert not f.contains(1)
    assert len(runs) == 2


def test_a_function_that_does_not_want_them_computes_anew(either_cache):
    wants, _ = raising(lambda run: ValueError(run), exceptions=ValueError)
    caught(wants, 1)

    @fl.memoize(code="none")
    def does_not(x):
        return "computed"

    does_not._engine.name = wants._engine.name
    assert [does_not(1) for _ in range(4)] == ["computed"] * 4
    assert does_not.stats().misses == 1
    assert wants(1) == "computed"


def test_an_exception_that_takes_a_results_place_is_not_taken_for_one(either_cache):
    """Not even where the key is remembered, and the function does not want exceptions."""
    wants, _ = raising(lambda run: ValueError(run), exceptions=ValueError)

    @fl.memoize(code="none")
    def does_not(x):
        return "computed"

    does_not._engine.name = wants._engine.name
    assert [does_not(1) for _ in range(4)] == ["computed"] * 4
    caught(wants.rerun, 1)
    assert does_not(1) == "computed"


def test_a_result_replaces_an_exception_that_is_too_old(cache, clock):
    outcomes = iter([ValueError("early"), "late"])

    @fl.memoize(code="none", exceptions={ValueError: 60})
    def f():
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    caught(f)
    assert caught(f).args == ("early",)
    clock.ahead_s = 61
    assert f() == "late"
    clock.ahead_s = 1e9
    assert f() == "late"


@pytest.mark.parametrize(
    "make",
    [
        lambda run: ValueError(threading.Lock()),
        lambda run: ComesBackAsAnother(),
        lambda run: NeverComesBack(1, 2),
    ],
    ids=["a lock in it", "another one", "not at all"],
)
def test_what_would_not_come_back_the_same_is_raised_and_not_stored(cache, make):
    f, runs = raising(make, exceptions=Exception)
    with pytest.warns(fl.NotCachedWarning):
        first = caught(f, 1)
    assert type(first) is type(make(1))
    caught(f, 1)
    assert len(runs) == 2
    assert cache.stats().calls == 0


@pytest.mark.parametrize("nonsense", [BaseException, KeyboardInterrupt, 3, "ValueError", [3]])
def test_only_types_of_exceptions_make_sense(nonsense):
    with pytest.raises(fl.ConfigError, match="exceptions"):
        fl.memoize(exceptions=nonsense)


def test_coroutines_do_the_same(cache):
    runs = []

    @fl.memoize(code="none", exceptions=ValueError)
    async def f(x):
        runs.append(x)
        raise ValueError(x)

    for _ in range(4):
        with pytest.raises(ValueError, match="1"):
            asyncio.run(f(1))
    assert runs == [1]


def test_waiters_raise_it_too(cache):
    runs = []
    began = threading.Event()

    @fl.memoize(code="none", exceptions=ValueError)
    def f(x):
        runs.append(x)
        began.wait(0.2)
        raise ValueError(x)

    errors = []
    threads = [threading.Thread(target=lambda: errors.append(caught(f, 1))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [each.args for each in errors] == [(1,)] * 5
    assert len({id(each) for each in errors}) == 5
    assert runs == [1]


def test_marks_are_equal_when_their_exceptions_are():
    assert Raised(ValueError(1)) == Raised(ValueError(1))
    assert Raised(ValueError(1)) != Raised(ValueError(2))
    assert Raised(ValueError(1)) != Raised(TypeError(1))
    assert Raised(ValueError(1)) != ValueError(1)
    assert hash(Raised(ValueError(1))) == hash(Raised(ValueError(1)))
    mark = Raised(Detailed("a", [1]))
    assert pickle.loads(pickle.dumps(mark)) == mark
