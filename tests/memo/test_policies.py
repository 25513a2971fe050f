"""What the options of ``@memoize`` say about keeping calls: age, wanted results, arguments."""

from __future__ import annotations

import datetime as dt
import time

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.memo import ages


@pytest.fixture
def clock(monkeypatch):
    """The time that ages are told by, ahead of the real one by what a test says."""

    class Clock:
        ahead_s = 0.0

        def time(self):
            return time.time() + self.ahead_s

    clock = Clock()
    monkeypatch.setattr(ages, "time", clock)
    return clock


def counted(**options):
    runs = []

    @fl.memoize(code="none", **options)
    def f(x):
        runs.append(x)
        return {"x": x, "run": len(runs)}

    return f, runs


# Age


@pytest.mark.parametrize("expire", [60, 60.0, dt.timedelta(minutes=1)], ids=repr)
def test_an_old_result_is_computed_again_and_replaced(either_cache, clock, expire):
    f, _ = counted(expire=expire)
    assert [f(1)["run"] for _ in range(4)] == [1] * 4
    clock.ahead_s = 59
    assert f(1)["run"] == 1
    clock.ahead_s = 61
    assert not f.contains(1)
    with pytest.raises(fl.NotCached):
        f.load(1)
    assert f(1)["run"] == 2
    assert either_cache.stats().calls == 1
    assert f.query(1).one().result["run"] == 2
    clock.ahead_s = 0
    assert f.contains(1)
    assert f.load(1)["run"] == 2
    assert f(1)["run"] == 2


def test_a_result_is_as_old_as_its_call_not_as_the_cache(cache, clock):
    f, runs = counted(expire=60)
    f(1)
    clock.ahead_s = 50
    assert f(1)["run"] == 1
    clock.ahead_s = 70
    f(1)
    assert len(runs) == 2


def test_the_age_begins_when_the_body_returns(cache, clock):
    @fl.memoize(code="none", expire=0.5)
    def f():
        time.sleep(0.6)
        return time.time()

    assert f() == f()


def test_what_another_process_computed_anew_is_a_hit(tmp_path, clock):
    """What is remembered of an age is never the reason to call a result too old."""
    with fl.open_cache(tmp_path / "c") as ours, fl.open_cache(tmp_path / "c") as theirs:
        f, runs = counted(expire=60)
        with fl.use_cache(ours):
            f(1)
            f(1)
        time.sleep(0.3)
        with fl.use_cache(theirs):
            f.rerun(1)
        clock.ahead_s = 59.9
        with fl.use_cache(ours):
            assert f(1)["run"] == 2
        assert len(runs) == 2


def test_two_caches_have_ages_of_their_own(tmp_path, clock):
    f, _ = counted(expire=60)
    old, new = fl.open_cache("memory://"), fl.open_cache("memory://")
    with fl.use_cache(old):
        f(1)
    time.sleep(0.3)
    with fl.use_cache(new):
        f(1)
        clock.ahead_s = 59.8
        assert f(1)["run"] == 2
    with fl.use_cache(old):
        assert f(1)["run"] == 3


def test_without_times_a_result_does_not_count_as_fresh(cache):
    plain, _ = counted(metadata=False)
    expiring, _ = counted(expire=1000)
    expiring._engine.name = plain._engine.name
    plain(1)
    assert not expiring.contains(1)
    assert expiring(1)["run"] == 1
    assert expiring.contains(1)


def test_ages_work_without_metadata_otherwise(cache, clock):
    f, _ = counted(expire=60, metadata=False)
    assert [f(1)["run"], f(1)["run"]] == [1, 1]
    assert f.query().one().metadata.keys() == {"runtime"}
    clock.ahead_s = 61
    assert f(1)["run"] == 2


def test_zero_seconds_is_always_too_old(cache):
    f, _ = counted(expire=0)
    assert [f(1)["run"], f(1)["run"]] == [1, 2]


@pytest.mark.parametrize("expire", [-1, "1h", float("nan"), True, dt.timedelta(-1)], ids=repr)
def test_nonsense_is_refused(expire):
    with pytest.raises(fl.ConfigError, match="expire"):
        fl.memoize(expire=expire)


# Wanted results


def test_only_wanted_results_are_stored(cache):
    f, runs = counted(cache_if=lambda result: result["run"] > 1)
    assert [f(1)["run"] for _ in range(3)] == [1, 2, 2]
    assert (f.stats().uncached, f.stats().misses, f.stats().hits) == (1, 1, 1)
    assert len(runs) == 2


def test_a_predicate_that_fails_costs_the_caching(cache):
    f, _ = counted(cache_if=lambda result: result["nothing"])
    with pytest.warns(fl.NotCachedWarning, match="KeyError"):
        assert f(1)["run"] == 1
    assert not f.contains(1)
    strict, _ = counted(cache_if=lambda result: result["nothing"], strict=True)
    with pytest.raises(KeyError, match="nothing"):
        strict(1)


def test_a_predicate_must_be_callable():
    with pytest.raises(fl.ConfigError, match="cache_if"):
        fl.memoize(cache_if=True)  # type: ignore[call-overload]


# Arguments


def stored_arguments(**options):
    @fl.memoize(code="none", **options)
    def f(number, text, items):
        return len(items)

    f(1.5, "a text", [1, 2, 3])
    assert f(1.5, "a text", [1, 2, 3]) == 3
    assert f.stats().hits == 1
    return f.query().one()


def test_small_arguments_are_stored(cache):
    call = stored_arguments()
    assert dict(call.arguments) == {"number": 1.5, "text": "a text", "items": [1, 2, 3]}


def test_no_argument_is_stored_if_none_is_to_be(cache, tmp_path):
    call = stored_arguments(arguments="none")
    for name in "number", "text", "items":
        with pytest.raises(KeyError):
            call.arguments[name]
    assert fl.digest(1.5) == call.digested.arguments["number"]
    cache.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"a text" not in kept


def test_very_large_arguments_are_stored_only_if_all_are(cache, monkeypatch):
    monkeypatch.setattr("fleche_like.cache.prepared.LARGEST_ARGUMENT_BYTES", 2_000_000)

    @fl.memoize(code="none")
    def auto(array):
        return 1

    @fl.memoize(code="none", arguments="all")
    def everything(array):
        return 1

    array = np.arange(500_000)
    auto(array)
    with pytest.raises(KeyError):
        auto.query().one().arguments["array"]
    everything(array)
    np.testing.assert_array_equal(everything.query().one().arguments["array"], array)


class Unpicklable:
    def __digest__(self):
        return "stable"

    def __reduce__(self):
        raise TypeError("never")


def test_what_cannot_be_stored_is_not_cached_if_all_is_to_be(cache):
    @fl.memoize(code="none", arguments="all")
    def f(value):
        return 1

    with pytest.warns(fl.NotCachedWarning):
        assert f(Unpicklable()) == 1
    assert cache.stats().calls == 0


def test_another_word_is_refused():
    with pytest.raises(fl.ConfigError, match="arguments"):
        fl.memoize(arguments="some")  # type: ignore[call-overload]


# Mapping


@pytest.mark.parametrize("of_cache", [True, False])
@pytest.mark.parametrize("mmap", [True, False, "verify", None])
def test_large_results_are_mapped_as_the_function_says(tmp_path, of_cache, mmap):
    with fl.open_cache(tmp_path / "cache", mmap=of_cache, memory_bytes=0) as cache:

        @fl.memoize(cache=cache, code="none", mmap=mmap)
        def f():
            return np.arange(200_000)

        f()
        for _ in range(3):
            hit = f()
            np.testing.assert_array_equal(hit, np.arange(200_000))
            assert is_mapped(hit) == bool(of_cache if mmap is None else mmap)
            hit[0] = 7  # a copy of the page, seen by nobody else
        del hit


def is_mapped(array):
    base = array
    while getattr(base, "base", None) is not None:
        base = base.base
    return "mmap" in type(getattr(base, "obj", base)).__name__


def test_small_results_are_answered_whatever_is_said_of_mapping(cache):
    f, _ = counted(mmap=True)
    assert f(1) == f(1) == f(1)
    with pytest.raises(fl.ConfigError, match="mmap"):
        fl.memoize(mmap="maybe")  # type: ignore[call-overload]
