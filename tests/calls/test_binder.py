from __future__ import annotations

import functools
import inspect
import math
import operator
from inspect import Parameter
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import Binder, Ignored, Required
from fleche_like.errors import ConfigError

# Names that are legal for a parameter and hostile to careless generated code.
NAMES = [
    "self", "version", "cache", "_", "match", "type", "len", "dumps", "_dumps", "_self", "_token",
    "_absent", "_flatten", "args", "kwargs", "ñ", "µ", "変数", "str", "_snapshot", "__x", "print",
]  # fmt: skip
KINDS = [
    Parameter.POSITIONAL_ONLY,
    Parameter.POSITIONAL_OR_KEYWORD,
    Parameter.VAR_POSITIONAL,
    Parameter.KEYWORD_ONLY,
    Parameter.VAR_KEYWORD,
]


class Untouchable:
    """A default that nobody may look into."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self):
        raise AssertionError("repr of a default")

    def __eq__(self, other):
        raise AssertionError("comparison of a default")


@st.composite
def functions(draw):
    """A function of any signature, compiled from source."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), min_size=len(names), max_size=len(names))))
    spelt, seen, optional = [], set(), False
    for name, kind in zip(names, kinds, strict=True):
        if kind in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD} and kind in seen:
            continue
        seen.add(kind)
        spelt.append((name, kind))
    text = []
    for index, (name, kind) in enumerate(spelt):
        kinds_before = {kind for _, kind in spelt[:index]}
        if kind is Parameter.KEYWORD_ONLY and not kinds_before & {
            Parameter.VAR_POSITIONAL, Parameter.KEYWORD_ONLY
        }:  # fmt: skip
            text.append("*")
        if kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}:
            optional = optional or draw(st.booleans())
            has_default = optional
        else:
            has_default = kind is Parameter.KEYWORD_ONLY and draw(st.booleans())
        prefix = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}.get(kind, "")
        text.append(prefix + name + (f"=default[{index}]" if has_default else ""))
        if kind is Parameter.POSITIONAL_ONLY and spelt[index + 1 : index + 2] != []:
            if spelt[index + 1][1] is not Parameter.POSITIONAL_ONLY:
                text.append("/")
        elif kind is Parameter.POSITIONAL_ONLY:
            text.append("/")
    namespace: dict[str, Any] = {"default": [Untouchable() for _ in range(10)]}
    exec(f"def outer({', '.join(text)}): return locals()", namespace)
    function = namespace["outer"]
    function.__qualname__ = "Some.<locals>.name"
    return function


class Value:
    """An argument that can only be told by its identity."""


calls = st.tuples(
    st.lists(st.builds(Value), max_size=5).map(tuple),
    st.dictionaries(
        st.sampled_from([*NAMES, "**a", "return", "zz", "a b"]), st.builds(Value), max_size=4
    ),
)


def expected(function, args, kwargs):
    """The canonical form, from what the function itself gets; inspect.bind has its own faults."""
    received = function(*args, **kwargs)
    parameters = inspect.signature(function).parameters
    found = []
    for name, parameter in parameters.items():
        if parameter.kind is not Parameter.VAR_KEYWORD:
            found.append((name, received[name]))
            continue
        for key, value in sorted(received[name].items()):
            clashes = key in parameters or key == "return" or key[:2] == "**"
            found.append(("**" + key if clashes else key, value))
    return found


def refusal(call):
    """The text of the TypeError that a call raises."""
    try:
        call()
    except TypeError as error:
        return str(error)
    return None


def same(left, right):
    """Equal pairs, where values count by identity (tuples by their items')."""
    return len(left) == len(right) and all(
        a == b and (x is y or (type(x) is tuple and list(map(id, x)) == list(map(id, y))))
        for (a, x), (b, y) in zip(left, right, strict=True)
    )


@given(functions(), calls)
def test_binds_as_python_does_with_the_same_error_for_a_wrong_call(function, call):
    args, kwargs = call
    binder = Binder(function)
    error = refusal(lambda: function(*args, **kwargs))
    assert refusal(lambda: binder.bind(args, kwargs)) == error
    if error is None:
        assert same(list(binder.bind(args, kwargs).items()), expected(function, args, kwargs))


@given(functions(), calls)
def test_two_spellings_of_one_call_bind_alike(function, call):
    args, kwargs = call
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return
    bound.apply_defaults()
    spelt_out = Binder(function).bind(bound.args, bound.kwargs)
    assert same(list(Binder(function).bind(args, kwargs).items()), list(spelt_out.items()))


@given(functions(), calls)
def test_partial_binding_names_what_full_binding_names(function, call):
    args, kwargs = call
    binder = Binder(function)
    try:
        full = binder.bind(args, kwargs)
    except TypeError:
        return
    partial = binder.bind_partial(args, kwargs)
    assert same(list(partial.items()), [(n, full[n]) for n in full if n in partial])
    defaults = [value for name, value in full.items() if name not in partial]
    assert all(isinstance(value, Untouchable) or value == () for value in defaults)


def test_partial_binding_leaves_holes_and_refuses_what_is_no_parameter():
    def function(a, b=1, *, c): ...

    binder = Binder(function)
    assert binder.bind_partial((), {"c": 3}) == {"c": 3}
    with pytest.raises(TypeError, match="unexpected keyword argument 'd'"):
        binder.bind_partial((), {"d": 3})
    with pytest.raises(TypeError, match="multiple values for argument 'a'"):
        binder.bind_partial((1,), {"a": 3})
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        binder.bind_partial((1, 2, 3), {})


def test_three_hundred_parameters():
    names = [f"p{i}" for i in range(300)]
    namespace: dict[str, Any] = {}
    exec(f"def wide({', '.join(names)}): pass", namespace)
    assert Binder(namespace["wide"]).bind(tuple(range(300)), {}) == {
        n: i for i, n in enumerate(names)
    }


def test_keywords_that_a_parameter_has_too_get_stars():
    def function(a, /, *args, **rest): ...

    bound = Binder(function).bind(
        (1,), {"a": 2, "args": 3, "rest": 4, "return": 5, "**a": 6, "b": 7}
    )
    assert bound == {
        "a": 1, "args": (), "****a": 6, "**a": 2, "**args": 3, "b": 7, "**rest": 4, "**return": 5
    }  # fmt: skip
    assert list(bound)[2:] == ["****a", "**a", "**args", "b", "**rest", "**return"]


def test_keyword_order_does_not_matter():
    def function(**rest): ...

    binder = Binder(function)
    assert list(binder.bind((), {"b": 1, "a": 2})) == list(binder.bind((), {"a": 2, "b": 1}))


def test_replaced_defaults_are_followed():
    def function(a, b=[1], *, c=2): ...  # noqa: B006

    binder = Binder(function)
    assert binder.bind((0,), {}) == {"a": 0, "b": [1], "c": 2}
    before = binder.generation
    function.__defaults__ = (7, 8)
    assert binder.bind((), {}) == {"a": 7, "b": 8, "c": 2}
    function.__kwdefaults__ = {"c": 9}
    assert binder.bind((), {})["c"] == 9
    function.__kwdefaults__["c"] = 10
    assert binder.bind((), {})["c"] == 10
    function.__defaults__ = None
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        binder.bind((), {})
    assert binder.generation > before


def test_replaced_code_is_followed():
    def function(a): ...
    def other(x, y=5): ...

    binder = Binder(function)
    function.__code__, function.__defaults__ = other.__code__, other.__defaults__
    assert binder.bind((1,), {}) == {"x": 1, "y": 5}
    assert binder.parameters == ("x", "y")


def test_bound_methods_bind_self_like_any_argument():
    class Model:
        def fit(self, x, y=2): ...

        @classmethod
        def load(cls, path): ...

        def __call__(self, z): ...

    model = Model()
    assert Binder(model.fit).bind((1,), {}) == {"self": model, "x": 1, "y": 2}
    assert Binder(Model.fit).bind((model, 1), {}) == {"self": model, "x": 1, "y": 2}
    assert Binder(Model.load).bind(("p",), {}) == {"cls": Model, "path": "p"}
    assert Binder(model).bind((3,), {}) == {"self": model, "z": 3}


def test_partials_bind_what_they_bring():
    def function(a, b, c=3, *, d=4): ...

    binder = Binder(functools.partial(functools.partial(function, 1, d=5), 2, c=6))
    assert binder.bind((), {}) == {"a": 1, "b": 2, "c": 6, "d": 5}
    assert binder.bind((), {"d": 0}) == {"a": 1, "b": 2, "c": 6, "d": 0}
    assert Binder(functools.partial(function, b=2)).bind((1,), {})["b"] == 2


def test_a_wrapper_binds_by_what_it_takes_itself():
    """functools.wraps: the wrapper changes a default, so following __wrapped__ would be wrong."""

    def function(x, verbose=False): ...

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        kwargs.setdefault("verbose", True)

    binder = Binder(wrapper)
    assert binder.bind((1,), {}) != binder.bind((1,), {"verbose": False})
    vars(wrapper)["__signature__"] = inspect.signature(function)
    assert Binder(wrapper).bind((1,), {}) == {"args": (1,)}


def test_c_functions_bind_by_their_signature_or_as_anything():
    assert Binder(math.hypot).bind((3, 4), {}) == {"args": (3, 4)}
    assert Binder(math.isclose).bind((1, 2), {})["rel_tol"] == 1e-09
    assert Binder(max).bind((1, 2), {"key": None}) == {"args": (1, 2), "key": None}
    assert Binder(operator.itemgetter(1)).bind(([1, 2],), {})
    assert Binder(functools.lru_cache(lambda x: x)).bind((1,), {}) == {"args": (1,)}


def test_odd_parameter_names_bind_as_anything():
    def function(a): ...

    odd = FunctionType(function.__code__.replace(co_varnames=(".0",)), {})
    assert Binder(odd).bind((1,), {}) == {"args": (1,)}


def test_ignored_arguments_are_left_out_however_they_are_marked():
    def function(a, b: Ignored[int] = 1, *args, c: Ignored[list] = [], d=2, **rest): ...  # noqa: B006

    binder = Binder(function, ignore=["d", "extra"])
    bound = binder.bind((0, 5, 6), {"c": [1], "extra": 1, "other": 2})
    assert bound == {"a": 0, "args": (6,), "other": 2}
    assert binder.ignored == {"b", "c", "d", "extra"}
    assert Binder(function, ignore="rest").bind((0,), {"x": 1}) == {"a": 0, "args": (), "d": 2}


def test_required_arguments_must_be_passed_explicitly():
    def function(a: Required[int], b=1, *, c: Required[int | None] = None, d=2, **rest): ...

    binder = Binder(function, require=["b", "extra"])
    assert not binder.is_cacheable((1, 1), {"c": None})
    assert not binder.is_cacheable((1, 1), {"extra": 0})
    assert not binder.is_cacheable((1,), {"c": None, "extra": 0})
    assert binder.is_cacheable((1,), {"b": 1, "c": None, "extra": 0})
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        binder.is_cacheable((), {})


def test_required_variable_arguments_must_not_be_empty():
    def function(*args, **rest): ...

    assert not Binder(function, require=["args"]).is_cacheable((), {"x": 1})
    assert Binder(function, require=["args"]).is_cacheable((1,), {})
    assert not Binder(function, require=["rest"]).is_cacheable((1,), {})


@pytest.mark.parametrize("setting", ["ignore", "require"])
def test_unknown_names_are_refused_when_decorating(setting):
    def function(a, b): ...

    with pytest.raises(ConfigError, match=rf"{setting}=\['c'\] names no parameter .* a, b"):
        Binder(function, **{setting: ["a", "c"]})


def test_instances_of_foreign_callables_do_not_break_the_binder():
    assert Binder(SimpleNamespace).bind((), {"x": 1})["x"] == 1
