"""Known traps of caching by function: names, closures, spellings, wrappers, state."""

from __future__ import annotations

import functools
import math
import operator
import types
from typing import Any

import pytest

import fleche_like as fl

pytestmark = pytest.mark.usefixtures("cache")

CONFIG = {"scale": 2}
CALLS: list[int] = []
TOTAL = 0


@fl.memoize
def by_config(x):
    return CONFIG["scale"] * x


@fl.memoize
def logs(x):
    global TOTAL
    CALLS.append(x)
    TOTAL += 1
    return x


def test_a_configuration_changed_in_place_between_calls(monkeypatch):
    assert by_config(3) == 6
    monkeypatch.setitem(CONFIG, "scale", 5)
    assert by_config(3) == 15


def test_counters_and_logs_of_the_body_do_not_make_it_miss():
    for _ in range(3):
        assert logs(1) == 1
    assert logs.stats().misses == 1


def test_closures_of_one_factory():
    def make(k):
        @fl.memoize
        def times(x):
            return k * x

        return times

    assert [make(k)(3) for k in (2, 3, 2)] == [6, 9, 6]


def test_closures_over_mutable_state():
    seen: dict[str, int] = {"k": 1}

    @fl.memoize
    def f(x):
        return x + seen["k"]

    assert f(1) == 2
    seen["k"] = 10
    assert f(1) == 11


def test_late_binding_in_a_loop():
    functions = [fl.memoize(lambda x, k=k: x + k) for k in range(3)]
    late = [fl.memoize(lambda x: x + k) for k in range(3)]  # noqa: B023  the subject
    assert [f(10) for f in functions] == [10, 11, 12]
    assert [f(10) for f in late] == [12, 12, 12]


def test_two_lambdas_on_one_line():
    inc, dec = fl.memoize(lambda x: x + 1), fl.memoize(lambda x: x - 1)
    assert (inc(1), dec(1), inc(1), dec(1)) == (2, 0, 2, 0)


def test_same_named_functions_of_two_modules():
    answers = []
    for name in ("one", "two"):
        scope: dict[str, Any] = {"__name__": name, "fl": fl}
        exec("@fl.memoize\ndef f(x):\n    return __name__, x", scope)
        answers.append(scope["f"](1))
    assert answers == [("one", 1), ("two", 1)]


def test_one_name_defined_twice():
    def define(sign):
        if sign > 0:

            def f(x):
                return x
        else:

            def f(x):
                return -x

        return fl.memoize(f)

    assert (define(1)(2), define(-1)(2)) == (2, -2)


def test_defaults_spelled_or_not():
    @fl.memoize
    def f(a, b=2, /, c=3, *, d=4):
        return a, b, c, d

    calls = [f(1), f(1, 2), f(1, 2, 3), f(1, c=3), f(1, d=4, c=3)]
    assert calls == [(1, 2, 3, 4)] * 5
    assert f.stats().misses == 1


def test_defaults_that_differ_make_other_calls():
    assert fl.memoize(lambda x, k=1: x + k)(1) == 2
    assert fl.memoize(lambda x, k=2: x + k)(1) == 3


def test_star_arguments_against_one_tuple():
    @fl.memoize
    def f(*args, **kwargs):
        return args, sorted(kwargs.items())

    spellings = [((1, 2), {}), (((1, 2),), {}), ((1, (2,)), {}), ((), {"args": (1, 2)})]
    for args, kwargs in spellings * 2:
        assert f(*args, **kwargs) == (args, sorted(kwargs.items()))
    assert f.stats().misses == len(spellings)


def test_keywords_against_pairs_and_against_a_dictionary():
    @fl.memoize
    def f(*args, **kwargs):
        return args, kwargs

    spellings: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {"a": 1}),
        (("a", 1), {}),
        ((("a", 1),), {}),
        (({"a": 1},), {}),
        ((), {"kwargs": {"a": 1}}),
    ]
    for args, kwargs in spellings * 2:
        assert f(*args, **kwargs) == (args, kwargs)
    assert f.stats().misses == len(spellings)


@pytest.mark.parametrize(
    "name",
    [
        "self", "cls", "version", "metadata", "cache", "key", "code", "function", "name", "module",
        "args", "kwargs", "arguments", "result", "executor", "progress", "token", "engine", "look",
    ],
)  # fmt: skip
def test_parameters_named_like_ours(name):
    scope: dict[str, Any] = {}
    exec(f"def f({name}, *, other=0): return {name}, other", scope)
    f = fl.memoize(scope["f"])
    for value in (1, 2):
        assert f(value) == f(**{name: value}) == (value, 0)
        assert f.load(**{name: value}) == (value, 0)
        assert f.query(**{name: value}).one().result == (value, 0)
        assert f.bind(**{name: value})() == (value, 0)
    assert f.stats().misses == 2


def test_keyword_names_like_positional_only_ones():
    @fl.memoize
    def f(a, /, **kwargs):
        return a, kwargs

    assert f(1, a=2) == (1, {"a": 2})
    assert f(2, a=1) == (2, {"a": 1})
    assert f(1, a=2) == (1, {"a": 2})


def test_partials():
    def power(base, exponent):
        return base**exponent

    functions = [
        functools.partial(power, exponent=2),
        functools.partial(power, exponent=3),
        functools.partial(power, 2),
        functools.partial(functools.partial(power, 3), exponent=2),
    ]
    calls = [(5,), (5,), (5,), ()]
    for f, args in zip(functions, calls, strict=True):
        assert fl.memoize(f)(*args) == f(*args)


def test_wrappers_that_change_arguments_or_results():
    def doubled(function):
        @functools.wraps(function)
        def wrapper(x):
            return 2 * function(x)

        return wrapper

    def plain(x):
        return x + 1

    assert fl.memoize(plain)(1) == 2
    assert fl.memoize(doubled(plain))(1) == 4
    assert fl.memoize(doubled(doubled(plain)))(1) == 8


def test_recursion():
    @fl.memoize
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(60) == 1548008755920
    assert fib.stats().misses == 61


def test_mutual_recursion():
    @fl.memoize
    def even(n):
        return n == 0 or odd(n - 1)

    @fl.memoize
    def odd(n):
        return n != 0 and even(n - 1)

    assert [even(n) for n in range(6)] == [True, False] * 3


def test_functions_without_source():
    scope: dict[str, Any] = {"fl": fl}
    exec("f = fl.memoize(lambda x: x + 1)\ng = fl.memoize(lambda x: x + 2)", scope)
    assert (scope["f"](1), scope["g"](1), scope["f"](1)) == (2, 3, 2)


def test_functions_whose_code_differs_only_in_constants():
    for k in range(3):
        scope: dict[str, Any] = {}
        exec(f"def f(x): return x + {k}", scope)
        assert fl.memoize(scope["f"])(1) == 1 + k


@pytest.mark.parametrize("function", [math.sqrt, abs, len, operator.neg, str.upper, sorted])
def test_functions_in_c(function):
    argument: Any = {len: [1], str.upper: "a", sorted: [2, 1]}.get(function, 4)
    memoized: Any = fl.memoize(function)
    assert memoized(argument) == memoized(argument) == function(argument)
    assert memoized.stats().hits == 1


def test_operators_made_by_a_factory():
    first, second = fl.memoize(operator.itemgetter(0)), fl.memoize(operator.itemgetter(1))
    assert (first([5, 6]), second([5, 6]), first([5, 6])) == (5, 6, 5)


def test_decorated_functions_as_arguments():
    @fl.memoize
    def apply(function, x):
        return function(x)

    def times(k):
        @functools.wraps(math.sqrt)
        def inner(x):
            return k * x

        return inner

    assert [apply(times(k), 3) for k in (2, 3, 2)] == [6, 9, 6]
    assert [apply(fl.memoize(times(k)), 3) for k in (2, 3)] == [6, 9]
    assert [apply(functools.lru_cache(times(k)), 3) for k in (2, 3)] == [6, 9]


def test_classes_as_arguments():
    def make(k):
        class Local:
            value = k

            def get(self):
                return k

        return Local

    @fl.memoize
    def read(kind):
        return kind.value, kind().get()

    assert [read(make(k)) for k in (1, 2, 1)] == [(1, 1), (2, 2), (1, 1)]


def test_a_function_that_gets_other_code_in_place():
    @fl.memoize
    def f(x):
        return x + 1

    assert f(1) == 2
    f.__wrapped__.__code__ = (lambda x: x + 5).__code__
    assert f(1) == 6


def test_a_helper_rebound_between_two_calls(monkeypatch):
    module = types.ModuleType("trap_module")
    exec("def helper(x): return x + 1\ndef f(x): return helper(x)", module.__dict__)
    f = fl.memoize(module.f)
    assert f(1) == 2
    exec("def helper(x): return x + 10", module.__dict__)
    assert f(1) == 11


def test_very_many_arguments_and_very_long_names():
    @fl.memoize
    def count(*args, **kwargs):
        return len(args) + len(kwargs)

    many = {f"{'x' * 300}{n}": n for n in range(300)}
    assert count(*range(3000), **many) == count(*range(3000), **many) == 3300
    assert count.stats().hits == 1


def test_generator_functions_are_refused_when_decorated():
    with pytest.raises(fl.UncachableFunction):

        @fl.memoize
        def numbers():
            yield 1


def test_an_inner_call_that_fails_does_not_poison_the_outer_one():
    state = {"fail": True}

    @fl.memoize(code="none")
    def inner(x):
        if state["fail"]:
            raise OSError(x)
        return x

    @fl.memoize(code="none")
    def outer(x):
        return inner(x) + 1

    with pytest.raises(OSError, match="1"):
        outer(1)
    state["fail"] = False
    assert outer(1) == 2
