"""Which calls are one call, and which are not."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fleche_like as fl
from fleche_like.calls import Ignored, Required
from fleche_like.testing.strategies import values

pytestmark = pytest.mark.usefixtures("cache")


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


LOOK_ALIKES = [
    1,
    1.0,
    True,
    "1",
    b"1",
    decimal.Decimal(1),
    Colour.RED,
    np.int64(1),
    np.float64(1),
    np.bool_(True),
    (1,),
    [1],
    {1},
    frozenset({1}),
    {1: None},
    {"1": None},
    {1.0: None},
    {True: None},
    np.array(1),
    np.array([1]),
    np.array([1.0]),
    np.array([1], dtype=np.int32),
    np.array([[1]]),
    0.0,
    -0.0,
    0,
    False,
    None,
    "",
    b"",
    (),
    [],
    {},
    set(),
    Text("1"),
    bytearray(b"1"),
    [[1]],
    [(1,)],
    ([1],),
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    collections.OrderedDict(a=1, b=2),
    dt.datetime(2024, 10, 27, 2, 30, fold=0),
    dt.datetime(2024, 10, 27, 2, 30, fold=1),
    float("inf"),
    10**400,
]


def test_look_alikes_are_calls_of_their_own(either_cache):
    seen = []

    @fl.memoize
    def which(value):
        seen.append(value)
        return repr(value), type(value).__name__

    for _ in range(3):
        for value in LOOK_ALIKES:
            assert which(value) == (repr(value), type(value).__name__)
    assert len(seen) == len(LOOK_ALIKES)


def test_every_spelling_is_one_call():
    @fl.memoize
    def f(a, b=2, *args, c=3, **kwargs):
        return a, b, args, c, kwargs

    spellings = [
        lambda: f(1),
        lambda: f(1, 2),
        lambda: f(a=1),
        lambda: f(b=2, a=1),
        lambda: f(1, c=3),
        lambda: f(1, 2, c=3),
    ]
    assert len({repr(each()) for each in spellings}) == 1
    assert f.stats().misses == 1
    assert f(1, 2, 5) == (1, 2, (5,), 3, {})
    assert f(1, x=1, y=2) == f(1, y=2, x=1)
    assert f.stats().misses == 3


def test_positional_arguments_are_not_one_tuple():
    @fl.memoize
    def f(*args):
        return args

    assert f(1, 2) == (1, 2)
    assert f((1, 2)) == ((1, 2),)
    assert f([1, 2]) == ([1, 2],)


def test_parameters_may_be_named_like_ours():
    @fl.memoize
    def f(self, version, metadata, cache, key, function, args, token, name):
        return self, version, metadata, cache, key, function, args, token, name

    given_ = dict.fromkeys(
        ["self", "version", "metadata", "cache", "key", "function", "args", "token", "name"], 1
    )
    assert f(**given_) == (1,) * 9
    assert f(**given_) == (1,) * 9
    assert f.contains(**given_)
    assert f.load(**given_) == (1,) * 9
    assert f.query(self=1).count() == 1
    assert f.stats().misses == 1


def test_a_wrong_call_raises_what_the_plain_function_raises():
    def plain(a, *, b): ...

    memoized = fl.memoize(plain)
    for args, kwargs in [((), {}), ((1, 2), {"b": 1}), ((1,), {"c": 1}), ((1,), {"a": 1, "b": 2})]:
        with pytest.raises(TypeError) as expected:
            plain(*args, **kwargs)
        with pytest.raises(TypeError) as raised:
            memoized(*args, **kwargs)
        assert str(raised.value) == str(expected.value)


def test_ignored_arguments_do_not_count():
    @fl.memoize(ignore="threads")
    def f(x, threads=1, verbose: Ignored[bool] = False):
        return x

    f(1)
    f(1, threads=8, verbose=True)
    assert f.stats().misses == 1
    assert set(f.call(1).arguments) == {"x"}


def test_a_call_without_its_required_argument_runs_every_time():
    runs = []

    @fl.memoize
    def draw(n, seed: Required[int | None] = None):
        runs.append(seed)
        return n

    draw(1, seed=None)
    draw(1, seed=None)
    assert len(runs) == 1
    draw(1)
    draw(1)
    assert len(runs) == 3
    assert draw.stats().uncached == 2


def test_functions_of_one_name_are_told_apart_by_their_code():
    def make(kind):
        if kind == "add":

            @fl.memoize
            def f(x):
                return x + 1
        else:

            @fl.memoize
            def f(x):
                return x * 10

        return f

    assert make("add")(1) == 2
    assert make("times")(1) == 10


def test_two_lambdas_on_one_line_are_two_functions():
    add, times = fl.memoize(lambda x: x + 1), fl.memoize(lambda x: x * 10)
    assert (add(1), times(1)) == (2, 10)


def test_closures_of_one_factory_are_told_apart():
    def make(k):
        @fl.memoize
        def f(x):
            return k * x

        return f

    assert make(2)(3) == 6
    assert make(5)(3) == 15
    twin = make(2)
    assert twin(3) == 6
    assert twin.stats().hits == 1


def test_the_same_code_of_two_modules_is_two_functions():
    scope_a: dict[str, Any] = {"__name__": "module_a", "memoize": fl.memoize}
    scope_b: dict[str, Any] = {"__name__": "module_b", "memoize": fl.memoize}
    source = "@memoize\ndef f(x): return __name__, x\n"
    exec(source, scope_a)
    exec(source, scope_b)
    assert scope_a["f"](1) == ("module_a", 1)
    assert scope_b["f"](1) == ("module_b", 1)


def test_version_adds_to_the_key():
    def f(x):
        return x

    first, second = fl.memoize(version=1)(f), fl.memoize(version=2)(f)
    assert (
        len({first.key(1), second.key(1), fl.memoize(f).key(1), fl.memoize(version="1")(f).key(1)})
        == 4
    )


def test_partials_and_callable_instances_are_told_apart():
    def power(base, exponent):
        return base**exponent

    square = fl.memoize(functools.partial(power, exponent=2))
    cube = fl.memoize(functools.partial(power, exponent=3))
    assert (square(2), cube(2), square(2)) == (4, 8, 4)

    class Times:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return self.k * x

    assert fl.memoize(Times(2))(5) == 10
    assert fl.memoize(Times(3))(5) == 15


def test_builtins_can_be_memoized():
    total: Any = fl.memoize(sum)
    assert total([1, 2, 3]) == 6
    assert total([1, 2, 3]) == 6
    assert total.stats().hits == 1


def test_decorated_functions_as_arguments_count_as_the_plain_ones():
    @fl.memoize
    def apply(function, x):
        return function(x)

    def inc(x):
        return x + 1

    def dec(x):
        return x - 1

    assert apply(inc, 1) == 2
    assert apply(fl.memoize(inc), 1) == 2
    assert apply.stats().hits == 1
    assert apply(fl.memoize(dec), 1) == 0


def test_memory_layout_does_not_matter():
    @fl.memoize
    def total(array):
        return float(array.sum())

    array = np.arange(12.0).reshape(3, 4)
    total(array)
    total(np.asfortranarray(array))
    total(np.arange(24.0).reshape(3, 8)[:, ::2] / 2)
    assert total.stats().misses == 1


def test_very_many_arguments():
    @fl.memoize
    def f(*args, **kwargs):
        return len(args) + len(kwargs)

    many = {f"name_{number}": number for number in range(300)}
    assert f(*range(2000), **many) == 2300
    assert f(*range(2000), **many) == 2300
    assert f.stats().hits == 1


@fl.memoize
def echo(value):
    return value


@given(values())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_hit_is_what_the_function_returns(value):
    before = fl.digest(value)
    assert fl.digest(echo(value)) == before
    hits = echo.stats().hits
    assert fl.digest(echo(value)) == before
    assert echo.stats().hits == hits + 1


def test_a_query_is_for_the_current_version_unless_it_is_widened():
    def f(x):
        return x

    first, second = fl.memoize(version=1)(f), fl.memoize(version=2)(f)
    first(1)
    first(2)
    second(1)
    assert first.query().count() == 2
    assert second.query().count() == 1
    assert second.query(1).count() == second.query(x=1).count() == 1
    assert second.query().all_versions().count() == 3
    assert second.query(x=1).all_versions().count() == 2
