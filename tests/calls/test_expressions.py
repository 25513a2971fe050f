from __future__ import annotations

import math
import operator
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import Call, Expression, LazyCall, arg, meta, result
from fleche_like.errors import Indigestible, InvalidDigest, KeyNotFound, QueryError
from fleche_like.hashing import Digest, digest, value_digest
from tests.calls.strategies import scalars

NAIVE = datetime.fromisoformat("2024-01-01")
AWARE = NAIVE.replace(tzinfo=UTC)
#: A time that a clock in Berlin showed twice; Python's own comparison takes both for one.
TWICE = datetime.fromisoformat("2024-10-27T02:30:00").replace(tzinfo=ZoneInfo("Europe/Berlin"))
#: Untyped, for what checkers would refuse.
FIELD: Any = arg("x")
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Values(dict):
    def load_value(self, key):
        try:
            return self[key]
        except KeyError:
            raise KeyNotFound("evicted", key=key, url="memory://") from None


def lazy(loaded=None, /, *, metadata=None, **arguments):
    returned = arguments.pop("returned", ...)
    call = Call("f", arguments, metadata=metadata or {})
    if returned is not ...:
        call.result = returned
    return LazyCall(call.digested(), Values() if loaded is None else loaded)


def kind(value):
    """The class of a scalar, and what is ordered in it: numbers as exact fractions."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__, value
    if isinstance(value, str):
        return "text", [ord(character) for character in value]
    if isinstance(value, datetime):
        offset = value.utcoffset()
        clock = value.replace(tzinfo=None, fold=0) - NAIVE
        return ("naive", clock) if offset is None else ("aware", clock - offset)
    if isinstance(value, float) and not math.isfinite(value):
        return ("nan" if math.isnan(value) else "number"), (value,)
    return "number", (Fraction(value),)


def holds(left, comparator, right):
    """What a comparison of two scalars means, spelled out a second time."""
    (left_kind, left), (right_kind, right) = kind(left), kind(right)
    comparable = left_kind == right_kind != "nan"
    if comparator == "!=":
        return not (comparable and left == right)
    if comparator == "==":
        return comparable and left == right
    return comparable and left_kind != "NoneType" and OPERATORS[comparator](left, right)


@given(scalars, st.sampled_from(list(OPERATORS)), scalars)
def test_comparisons_mean_the_same_for_arguments_metadata_and_results(left, comparator, right):
    compare = OPERATORS[comparator]
    call = lazy(x=left, returned=left, metadata={"a": {"b": left}})
    wanted = holds(left, comparator, right)
    assert compare(arg("x"), right).matches(call) is wanted
    assert compare(result(), right).matches(call) is wanted
    assert compare(meta("a.b"), right).matches(call) is wanted
    assert compare(meta("a")["b"], right).matches(call) is wanted


@given(scalars, st.lists(scalars, max_size=3))
def test_membership_is_equality_with_any(value, several):
    wanted = any(holds(value, "==", one) for one in several)
    assert arg("x").in_(several).matches(lazy(x=value)) is wanted


@pytest.mark.parametrize(
    ("value", "expression", "wanted"),
    [
        (2**53 + 1, arg("x") == float(2**53), False),
        (2**53 + 1, arg("x") > float(2**53), True),
        (10**400, arg("x") < math.inf, True),
        (10**400, arg("x") > 1.7e308, True),
        (0.0, arg("x") == -0.0, True),
        (1, arg("x") == 1.0, True),
        (1, arg("x") == True, False),  # noqa: E712
        (True, arg("x") > 0, False),
        (True, arg("x") > False, True),
        (math.nan, arg("x") == math.nan, False),
        (math.nan, arg("x") != math.nan, True),
        (math.nan, arg("x") <= math.nan, False),
        (math.nan, arg("x").in_([math.nan]), False),
        ("2024-01-01", arg("x") == NAIVE, False),
        ("2024-01-01", arg("x") < NAIVE, False),
        (NAIVE, arg("x") == AWARE, False),
        (NAIVE, arg("x") < AWARE + timedelta(days=1), False),
        (AWARE, arg("x") == AWARE.astimezone(timezone(timedelta(hours=5))), True),
        (TWICE, arg("x") == TWICE.replace(fold=1), False),
        (TWICE, arg("x") < TWICE.replace(fold=1), True),
        ("Z", arg("x") < "a", True),
        ("\U0001f600", arg("x") > "\uffff", True),
        ("abc", arg("x").startswith("ab"), True),
        ("ABC", arg("x").startswith("ab"), False),
        ("a%c", arg("x").startswith("a_"), False),
        (1, arg("x").startswith("1"), False),
        (None, arg("x").is_none(), True),
        (None, arg("x") == None, True),  # noqa: E711
        (None, arg("x") <= None, False),
        (0, arg("x").is_none(), False),
        (np.float64(0.5), arg("x") > 0.1, True),
        (0.5, arg("x") > np.float32(0.1), True),
        (np.int64(3), arg("x") == 3, True),
        ([1, 2], arg("x") == [1, 2], True),
        ([1, 2], arg("x") == (1, 2), False),
        ([1, 2], arg("x") == digest([1, 2]), True),
        ([1, 2], arg("x") == Digest(digest([1, 2])[:5]), True),
        ([1, 2], arg("x") < [3], False),
        ([1, 2], arg("x").in_([1, [1, 2]]), True),
        (digest(3), arg("x") == 3, True),
        (digest(math.nan), arg("x") == math.nan, False),
        (3, arg("x") == digest(3), True),
        (3, arg("x") == digest(3.0), False),
        (np.arange(3), arg("x") == np.arange(3), True),
    ],
    ids=repr,
)
def test_special_values(value, expression, wanted):
    assert expression.matches(lazy(x=value)) is wanted
    assert (~expression).matches(lazy(x=value)) is not wanted


atoms = st.one_of(
    st.builds(
        lambda field, compare, value: compare(field, value),
        st.sampled_from(
            [arg("x"), arg("absent"), result(), meta("a.b"), arg("x")["k"], meta("none")]
        ),
        st.sampled_from(list(OPERATORS.values())),
        scalars,
    ),
    st.builds(lambda values: arg("x").in_(values), st.lists(scalars, max_size=2)),
    st.sampled_from([arg("x").is_none(), arg("absent").startswith(""), result().is_none()]),
)
expressions = st.recursive(
    atoms,
    lambda inner: (
        inner.map(operator.invert)
        | st.builds(operator.and_, inner, inner)
        | st.builds(operator.or_, inner, inner)
    ),
    max_leaves=5,
)
some_calls = st.builds(
    lambda x, value, note: lazy(x=x, returned=value, metadata={"a": {"b": note}}),
    scalars | st.just({"k": 1}),
    scalars,
    scalars,
)


@given(expressions, expressions, some_calls)
def test_logic_is_two_valued(one, other, call):
    truth, second = one.matches(call), other.matches(call)
    assert type(truth) is bool
    assert (~one).matches(call) is not truth
    assert (~~one).matches(call) is truth
    assert (one & other).matches(call) is (truth and second)
    assert (one | other).matches(call) is (truth or second)
    assert (~(one & other)).matches(call) is (~one | ~other).matches(call)
    assert (~(one | other)).matches(call) is (~one & ~other).matches(call)


@pytest.mark.parametrize(
    "field", [arg("absent"), result(), meta("absent"), arg("x")["absent"], arg("d")["k"][5]]
)
def test_atoms_on_what_is_absent_are_false(field):
    call = lazy(x=1, d={"k": [1]})
    for atom in (
        field == 1,
        field != 1,
        field < 1,
        field.is_none(),
        field.in_([1, None]),
        field.startswith(""),
    ):
        assert not atom.matches(call)
        assert (~atom).matches(call)


CONFIG = {
    "optimizer": {"lr": 0.1, 1: "int", True + 1: "two"},
    "layers": [8, (16, 32)],
    "flag": True,
}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (arg("cfg")["optimizer"]["lr"] > 0.05, True),
        (arg("cfg")["layers"][1][0] == 16, True),
        (arg("cfg")["layers"][1] == (16, 32), True),
        (arg("cfg")["layers"] == [8], False),
        (arg("cfg")["optimizer"][1] == "int", True),
        (arg("cfg")["layers"]["0"] == 8, False),
        (arg("cfg")["flag"] == 1, False),
        (arg("cfg")["flag"] == True, True),  # noqa: E712
        (arg("cfg")["flag"]["x"] == 1, False),
        (arg("cfg")["nothing"].is_none(), False),
        (result()["score"] >= 0.9, True),
        (result()["text"][0] == "a", False),
    ],
    ids=repr,
)
def test_paths_look_into_containers(expression, wanted):
    returned = {"score": np.float64(0.95), "text": "abc"}
    loaded = Values({digest(CONFIG): CONFIG, digest(returned): returned})
    call = lazy(loaded, cfg=CONFIG, returned=returned)
    assert expression.matches(call) is wanted
    bare = LazyCall(replace(call.digested, parts={}), loaded)
    assert expression.matches(bare) is wanted
    evicted = LazyCall(replace(call.digested, parts={}), Values())
    assert not expression.matches(evicted)
    assert (~expression).matches(evicted)


def test_parts_of_small_containers_are_known_without_loading():
    call = lazy(cfg=CONFIG)
    assert (arg("cfg")["optimizer"]["lr"] > 0.05).matches(call)
    assert (arg("cfg")["optimizer"] != 1).matches(call)
    assert not (arg("cfg")["layers"] == [8]).matches(call)  # which would have to be loaded


def test_paths_tell_keys_of_different_types_apart():
    table = {True: "bool", 2.0: "float"}
    call = lazy(Values({digest(table): table}), x=table)
    assert not (arg("x")[1] == "bool").matches(call)
    assert not (arg("x")[2] == "float").matches(call)


def test_parts_that_are_digests_are_loaded():
    inner = {"lr": 1}
    outer = {"opt": digest(inner)}
    call = lazy(Values({value_digest(outer): outer, digest(inner): inner}), cfg=outer)
    assert (arg("cfg")["opt"]["lr"] == 1).matches(call)


def test_an_indigestible_part_equals_nothing():
    outer = {"it": iter(())}
    call = LazyCall(Call("f", {"x": digest(1)}).digested(), Values({digest(1): outer}))
    assert not (arg("x")["it"] == 1).matches(call)
    assert (arg("x")["it"] != 1).matches(call)


def test_plain_fields_load_nothing():
    class NoLoader:
        def load_value(self, key):
            raise AssertionError(key)

    call = LazyCall(Call("f", {"x": [1], "y": 2}, result=[3]).digested(), NoLoader())
    assert ((arg("x") == [1]) & (arg("y") > 1) & (result() != 3) & ~(arg("x") < 2)).matches(call)
    assert not (arg("y")["a"] == 1).matches(call)


def test_constants_are_sealed_when_the_expression_is_written():
    data = [1]
    expression = arg("x") == data
    data.append(2)
    assert expression.matches(lazy(x=[1]))


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: bool(FIELD == 1),
        lambda: (FIELD > 1) and (FIELD < 2),
        lambda: 1 < FIELD < 2,
        lambda: not FIELD,
        lambda: FIELD[-1],
        lambda: FIELD[1.0],
        lambda: FIELD[True],
        lambda: FIELD.startswith(1),
    ],
)
def test_common_mistakes_are_errors_that_say_what_to_write(mistake):
    with pytest.raises(QueryError):
        mistake()


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: 1 in FIELD,
        lambda: list(FIELD),
        lambda: hash(FIELD),
        lambda: (FIELD == 1) & True,
        lambda: (FIELD == 1) | None,
    ],
)
def test_fields_are_no_containers_and_conditions_combine_with_conditions(mistake):
    with pytest.raises(TypeError):
        mistake()


def test_constants_without_identity_are_refused():
    with pytest.raises(Indigestible):
        arg("x") == iter(())  # noqa: B015
    with pytest.raises(InvalidDigest):
        arg("x") == Digest("abc")  # noqa: B015


def test_thousands_of_alternatives_do_not_nest():
    expression: Expression = arg("x") == 0
    for number in range(1, 5000):
        expression = expression | (arg("x") == number)
    assert expression.matches(lazy(x=4999))
    assert not expression.matches(lazy(x=5000))
    assert len(repr(expression)) > 5000


def test_expressions_survive_pickling_and_read_as_they_are_written():
    expression = (arg("cfg")["lr"] > 0.1) & ~meta("a").in_(["x", 1]) | result().startswith("b")
    text = "(((arg('cfg')['lr'] > 0.1) & ~meta('a').in_(['x', 1])) | result().startswith('b'))"
    assert repr(expression) == text
    assert repr(pickle.loads(pickle.dumps(expression))) == text
    assert repr(meta("a")["b.c"][0]) == repr(meta("a.b\\.c.0"))
