"""What a function takes from outside its arguments is part of its calls' identity."""

from __future__ import annotations

import collections
import io
import logging
import threading
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.cache import code_parts
from fleche_like.errors import LargeCaptureWarning, NotCachedWarning
from fleche_like.memo import register_by_type
from fleche_like.memo.outputs import MUTATORS

pytestmark = pytest.mark.usefixtures("cache")

FACTOR = 2
SETTINGS: dict[str, Any] = {"factor": 2, "nested": {"offset": 0}}
COUNTER: list[int] = []
TOTALS: dict[str, int] = {}
STATE = SimpleNamespace(count=0)
LOGGER = logging.getLogger(__name__)
LOCK = threading.Lock()
SEEN = 0
STREAM = (each for each in range(3))


@fl.memoize
def times_factor(x):
    return FACTOR * x


@fl.memoize
def by_settings(x):
    return SETTINGS["factor"] * x + SETTINGS["nested"]["offset"]


def helper(x):
    return x + 1


@fl.memoize
def calls_helper(x):
    return helper(x)


@fl.memoize
def counts(x):
    global SEEN
    SEEN += 1
    COUNTER.append(x)
    TOTALS["n"] = TOTALS.get("n", 0) + 1
    STATE.count += 1
    with LOCK:
        LOGGER.debug("counting")
    return x


@fl.memoize
def reads_a_stream(x):
    return x, STREAM


@fl.memoize
def factorial(n):
    return 1 if n == 0 else n * factorial(n - 1)


def test_a_rebound_global_is_noticed_and_old_results_come_back(monkeypatch):
    assert times_factor(3) == 6
    monkeypatch.setitem(globals(), "FACTOR", 5)
    assert times_factor(3) == 15
    monkeypatch.setitem(globals(), "FACTOR", 2)
    misses = times_factor.stats().misses
    assert times_factor(3) == 6
    assert times_factor.stats().misses == misses


def test_an_equal_global_is_the_same_global(monkeypatch):
    monkeypatch.setitem(globals(), "SETTINGS", {"factor": 2, "nested": {"offset": 0}})
    by_settings(3)
    monkeypatch.setitem(globals(), "SETTINGS", {"factor": 2, "nested": {"offset": 0}})
    misses = by_settings.stats().misses
    by_settings(3)
    assert by_settings.stats().misses == misses


def test_a_dictionary_changed_in_place_between_calls_is_noticed(monkeypatch):
    monkeypatch.setitem(globals(), "SETTINGS", {"factor": 2, "nested": {"offset": 0}})
    assert by_settings(3) == 6
    SETTINGS["factor"] = 4
    assert by_settings(3) == 12
    SETTINGS["nested"]["offset"] = 1
    assert by_settings(3) == 13


def test_a_global_that_comes_to_hide_a_builtin_is_noticed(monkeypatch):
    @fl.memoize
    def longest(xs):
        return max(xs)

    assert longest([1, 2]) == 2
    monkeypatch.setitem(globals(), "max", min)
    assert longest([1, 2]) == 1


def test_a_variable_of_the_enclosing_function_is_followed():
    k = 2

    @fl.memoize
    def times(x):
        return k * x

    assert times(3) == 6
    k = 5
    assert times(3) == 15


def test_a_captured_local_function_counts_by_its_code_and_closure():
    def make(step):
        def add(x):
            return x + step

        @fl.memoize
        def f(x):
            return add(x)

        return f

    assert make(1)(1) == 2
    assert make(2)(1) == 3


def test_captured_functions_made_by_calls_are_followed():
    @fl.memoize
    def apply(x):
        return change(x)

    change = lambda x: x + 1  # noqa: E731  the subject
    assert apply(1) == 2
    change = lambda x: x * 10  # noqa: E731
    assert apply(1) == 10


def test_what_the_function_writes_is_an_output(monkeypatch):
    for name in ("COUNTER", "TOTALS", "STATE", "SEEN"):
        assert name in counts.__wrapped__.__globals__
    counts(1)
    counts(2)
    misses = counts.stats().misses
    counts(1)
    counts(2)
    assert counts.stats().misses == misses


def test_every_mutator_is_a_method_that_changes_its_object():
    deque, ordered, counter = collections.deque, collections.OrderedDict, collections.Counter
    known = (list, dict, set, bytearray, deque, ordered, counter, io.StringIO)
    for name in MUTATORS:
        assert any(hasattr(kind, name) for kind in known), name


def test_an_indigestible_capture_costs_the_caching_and_says_what_to_do():
    with pytest.warns(NotCachedWarning, match=r"global STREAM.*generator") as caught:
        assert reads_a_stream(1) == (1, STREAM)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reads_a_stream(1)
    assert reads_a_stream.stats().uncached == 2
    assert next(STREAM) == 0


def test_a_registered_type_counts_by_its_type():
    class Connection:
        def __init__(self):
            self.socket = iter(())

    connection = Connection()

    @fl.memoize
    def ask(x):
        assert connection is not None
        return x

    with pytest.warns(NotCachedWarning):
        ask(1)
    register_by_type(Connection)
    ask(1)
    ask(1)
    assert ask.stats().hits == 1


def test_a_large_capture_is_digested_once_and_reported():
    table = np.arange(100_000)

    @fl.memoize
    def look_up(i):
        return int(table[i])

    with pytest.warns(LargeCaptureWarning, match="table"):
        assert look_up(5) == 5
    other = table * 2
    table = other
    with pytest.warns(LargeCaptureWarning):
        assert look_up(5) == 10


def test_a_small_array_is_watched():
    table = np.arange(10)

    @fl.memoize
    def look_up(i):
        return int(table[i])

    assert look_up(5) == 5
    table[5] = 99
    assert look_up(5) == 99


def test_recursion_through_the_memoized_name():
    assert factorial(50) == factorial.__wrapped__(50)
    assert factorial.stats().misses == 51


def test_a_local_function_may_call_itself():
    @fl.memoize
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(80) == 23416728348467685
    assert fib.stats().misses == 81
    assert len(fl.digest(fib)) == 32


def test_code_none_leaves_code_and_captures_out():
    def make(k):
        @fl.memoize(code="none")
        def f(x):
            return k * x

        return f

    assert make(2)(3) == 6
    assert make(5)(3) == 6
    assert make(2).call(1).code is None


def test_replaced_code_is_noticed():
    @fl.memoize
    def f(x):
        return x + 1

    def g(x):
        return x * 10

    assert f(1) == 2
    assert f(1) == 2
    f.__wrapped__.__code__ = g.__code__
    assert f(1) == 10


def test_replaced_defaults_are_noticed():
    @fl.memoize
    def f(x, k=1):
        return x + k

    assert f(1) == 2
    assert f(1) == 2
    f.__wrapped__.__defaults__ = (10,)
    assert f(1) == 11
    assert f(1) == 11


def test_a_mutable_default_that_changed_is_another_argument():
    shared: list[int] = []

    @fl.memoize
    def f(x, log=shared):
        return x, len(log)

    assert f(1) == (1, 0)
    shared.append(1)
    assert f(1) == (1, 1)


def test_the_manifest_tells_what_went_into_the_code(cache):
    times_factor(3)
    code = times_factor.call(3).code
    assert set(code_parts(cache.manifest(code))) == {"body", "global FACTOR by value"}
    calls_helper(1)
    assert "function helper" in cache.manifest(calls_helper.call(1).code)
