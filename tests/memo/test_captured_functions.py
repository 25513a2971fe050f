"""Functions that are captured as values bring what they read themselves.

Each was a wrong hit once: found by a differential search against the plain functions.
"""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import pytest

import fleche_like as fl

pytestmark = pytest.mark.usefixtures("cache")

K = 2
ITEMS = [1]
BASE = pd.Series([1, 2])
FACTOR = 3


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def plain(x, exponent=1):
    return K * x**exponent


class Times:
    def __call__(self, x):
        return K * x

    def method(self, x):
        return K * x


@fl.memoize
@decorated
def under_a_decorator(x):
    return K * x


scale: Any = lambda x: K * x  # noqa: E731  the subject


@fl.memoize
def by_a_lambda(x):
    return scale(x)


MEMOIZED = {
    "decorated": under_a_decorator,
    "twice": fl.memoize(fl.memoize(plain)),
    "partial": fl.memoize(functools.partial(plain, exponent=2)),
    "lru_cache": fl.memoize(functools.lru_cache(plain)),
    "instance": fl.memoize(Times()),
    "method": fl.memoize(Times().method),
    "lambda": by_a_lambda,
}


@pytest.mark.parametrize("name", MEMOIZED)
def test_a_global_read_inside_is_noticed(monkeypatch, name):
    function: Any = MEMOIZED[name]
    assert function(1) == 2
    monkeypatch.setitem(globals(), "K", 5)
    if name == "lru_cache":
        function.__wrapped__.cache_clear()
    assert function(1) == 5
    monkeypatch.setitem(globals(), "K", 2)
    misses = function.stats().misses
    assert function(1) == 2
    assert function.stats().misses == misses


def test_a_closure_of_a_captured_function_that_changes_in_place_is_noticed():
    seen = [1]

    def length():
        return len(seen)

    @fl.memoize
    def ask(x):
        return length() + x

    assert ask(0) == 1
    seen.append(2)
    assert ask(0) == 2


def test_captured_functions_that_call_each_other_are_followed_once():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    @fl.memoize
    def is_even(n):
        return even(n)

    assert is_even(4)
    assert is_even(4)
    assert is_even.stats().hits == 1


def test_a_method_that_gives_something_new_does_not_make_an_output(monkeypatch):
    @fl.memoize
    def added(x):
        return list(BASE.add(x))

    assert added(1) == [2, 3]
    monkeypatch.setitem(globals(), "BASE", pd.Series([10, 20]))
    assert added(1) == [11, 21]


def test_a_variable_of_an_inner_function_hides_no_global(monkeypatch):
    @fl.memoize
    def scaled(x):
        def inner():
            FACTOR = []
            FACTOR.append(x)
            return FACTOR

        return inner()[0] * FACTOR

    assert scaled(2) == 6
    monkeypatch.setitem(globals(), "FACTOR", 10)
    assert scaled(2) == 20


class Proxy:
    """Like a request outside of any request."""

    def __getattribute__(self, name):
        raise RuntimeError("outside of context")


def test_a_captured_object_that_raises_when_looked_at_costs_the_caching():
    proxy = Proxy()  # not a global: pytest looks at those

    @fl.memoize
    def f(x):
        return x or proxy

    with pytest.warns(fl.NotCachedWarning, match=r"closure proxy .*register_by_type"):
        assert f(1) == 1


def test_warnings_as_errors_take_no_answer_away(caplog):
    @fl.memoize
    def f(x):
        return x

    # This suite runs with warnings as errors: nothing is caught here.
    assert [*f(iter([1]))] == [1]
    assert "answered but not cached" in caplog.text


def test_attributes_of_the_function_hide_no_tool():
    def f(x):
        return x

    f.stats = f.key = "mine"  # type: ignore[attr-defined]
    memoized = fl.memoize(f)
    memoized(1)
    assert memoized.stats().misses == 1
    assert memoized.contains(1)
