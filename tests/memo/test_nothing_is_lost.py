"""Whatever goes wrong costs the caching, not the answer."""

from __future__ import annotations

import errno
import socket
import threading
import warnings

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.errors import EncodeError, Indigestible, NotCachedWarning


def self_containing():
    loop: list[object] = []
    loop.append(loop)
    return loop


def never_pickles():
    with_lock = type("Odd", (), {})()
    with_lock.lock = threading.Lock()
    return with_lock


class Hostile:
    """Has a digest, pickles, and raises when it is read back."""

    def __digest__(self):
        return "hostile"

    def __reduce__(self):
        return _explode, ()


def _explode():
    raise RuntimeError("no such luck")


INDIGESTIBLE = {
    "generator": lambda: (each for each in range(3)),
    "iterator": lambda: iter([1, 2, 3]),
    "lock": threading.Lock,
    "socket": socket.socket,
    "loop": self_containing,
}


@pytest.mark.parametrize("make", INDIGESTIBLE.values(), ids=INDIGESTIBLE)
def test_an_indigestible_argument_is_passed_on_untouched(cache, make):
    @fl.memoize
    def f(value):
        return [*value] if hasattr(value, "__next__") else "ran"

    value = make()
    with pytest.warns(NotCachedWarning, match="args|value"):
        answer = f(value)
    assert answer in ([0, 1, 2], [1, 2, 3], "ran")
    assert f.stats().uncached == 1
    if isinstance(value, socket.socket):
        value.close()


def test_strict_raises_instead(cache):
    @fl.memoize(strict=True)
    def f(value):
        return value

    with pytest.raises(Indigestible):
        f(iter(()))


def test_one_warning_for_one_cause(cache):
    @fl.memoize
    def f(value):
        return "ran"

    with pytest.warns(NotCachedWarning) as caught:
        assert [f(iter(())) for _ in range(5)] == ["ran"] * 5
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_result_that_cannot_be_stored_is_returned(cache):
    @fl.memoize
    def f():
        return never_pickles()

    with pytest.warns(NotCachedWarning):
        assert hasattr(f(), "lock")
    assert not f.contains()


def test_a_generator_as_result_is_not_consumed(cache):
    @fl.memoize
    def f():
        return (each for each in range(3))

    with pytest.warns(NotCachedWarning):
        assert [*f()] == [0, 1, 2]


def test_a_result_whose_unpickling_raises_is_computed_again(cache):
    runs = []

    @fl.memoize
    def f():
        runs.append(1)
        return Hostile()

    f()
    with pytest.warns(NotCachedWarning, match="DecodeError"):
        assert isinstance(f(), Hostile)
    assert len(runs) == 2


def test_a_function_that_raises_raises_every_time_and_stores_nothing(cache):
    @fl.memoize
    def f(x):
        raise KeyError(x)

    for _ in range(2):
        with pytest.raises(KeyError, match="5"):
            f(5)
    assert f.stats().failures == 2
    assert cache.stats().calls == 0


def break_with(error):
    def fail(*args, **kwargs):
        raise error

    return fail


FAILURES = {
    "a full disk": OSError(errno.ENOSPC, "No space left on device"),
    "a dead server": ConnectionResetError("gone"),
    "a bug": ZeroDivisionError("ours"),
}


@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("step", ["lookup", "prepare", "commit"])
def test_a_failing_cache_costs_the_caching(cache, monkeypatch, step, error):
    @fl.memoize
    def f(x):
        return x * 2

    f(1)
    monkeypatch.setattr(cache, step, break_with(error))
    with pytest.warns(NotCachedWarning) as caught:
        assert f(2) == 4
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(2) == 4
        assert f(1) == 2
    monkeypatch.undo()
    assert f(2) == 4
    assert f.stats().failures == 0


def test_an_argument_that_cannot_be_encoded_costs_only_its_value(cache):
    class Digestible:
        def __init__(self):
            self.lock = threading.Lock()

        def __digest__(self):
            return "stable"

    @fl.memoize
    def f(value):
        return 1

    f(Digestible())
    f(Digestible())
    assert f.stats().hits == 1


def test_a_body_that_changes_its_argument_does_not_change_the_key(cache):
    @fl.memoize
    def pop_all(items):
        taken = []
        while items:
            taken.append(items.pop())
        return taken

    assert pop_all([1, 2]) == [2, 1]
    assert pop_all([1, 2]) == [2, 1]
    assert pop_all.stats().hits == 1
    (call,) = pop_all.query()
    assert call.arguments["items"] == [1, 2]


@pytest.mark.parametrize("value", [[1], {"a": [1]}, np.arange(5), {1}], ids=repr)
def test_a_hit_shares_nothing_with_another(either_cache, value):
    @fl.memoize
    def f():
        return value

    f()
    for _ in range(3):
        hit = f()
        assert repr(hit) == repr(value)
        assert hit is not value
        if isinstance(hit, list):
            hit.append(2)
        elif isinstance(hit, dict):
            hit["a"].append(2)
        elif isinstance(hit, set):
            hit.add(2)
        else:
            hit += 1


def test_a_read_only_cache_answers_what_it_has_and_says_nothing(tmp_path):
    @fl.memoize
    def f(x):
        return x * 2

    with fl.open_cache(tmp_path / "cache") as cache, fl.use_cache(cache):
        f(1)
    with fl.open_cache(tmp_path / "cache", read_only=True) as cache, fl.use_cache(cache):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (f(1), f(2), f(2)) == (2, 4, 4)
        assert f.stats().hits == 1
        assert cache.stats().calls == 1


def test_generator_functions_are_refused_when_they_are_decorated():
    with pytest.raises(TypeError, match="generator"):

        @fl.memoize
        def f():
            yield 1


def test_saving_what_does_not_pickle_raises_where_it_was_asked_for(cache):
    call = fl.Call("f", {}, result=iter(range(3)))
    with pytest.raises((EncodeError, Indigestible)):
        cache.save(call)


def test_a_digest_stands_for_its_value(cache):
    @fl.memoize
    def total(values):
        return sum(values)

    key = cache.values.save([1, 2, 3])
    assert total(key) == 6
    assert total([1, 2, 3]) == 6
    assert total.stats().hits == 1


def test_a_digest_of_nothing_stored_is_the_callers_error(cache):
    @fl.memoize
    def total(values):
        return sum(values)

    with pytest.raises(KeyError):
        total(fl.Digest("0" * 32))
