from __future__ import annotations

import functools
import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import Call, QueryCall, Selection, arg, meta, result, select_from
from fleche_like.errors import QueryError
from tests.calls.strategies import scalars
from tests.calls.test_expressions import holds, kind

PLACES = ["number", "nan", "text", "naive", "aware"]


class NoLoader:
    def load_value(self, key):
        raise AssertionError(key)


def calls_of(values):
    return [Call("f", {"x": value}, version=n).digested() for n, value in enumerate(values)]


def place(call):
    if "x" not in call.arguments:
        return len(PLACES)
    name = kind(call.scalars["x"])[0]
    return PLACES.index(name) if name in PLACES else len(PLACES)


def before(one, other, descending):
    """Compare two calls as a selection orders them, by single comparisons only."""
    if place(one) != place(other):
        return place(one) - place(other)
    if place(one) in {0, 2, 3, 4}:
        left, right = one.scalars["x"], other.scalars["x"]
        for comparator, answer in (("<", -1), (">", 1)):
            if holds(left, comparator, right):
                return -answer if descending else answer
    return -1 if one.key < other.key else 1


@given(
    st.lists(scalars, max_size=8), st.booleans(), st.integers(0, 3), st.none() | st.integers(0, 5)
)
def test_order_limit_and_offset(values, descending, offset, limit):
    calls = [*calls_of(values), Call("g", {}).digested(), Call("h", {}).digested()]
    field = arg("x").desc() if descending else arg("x").asc()
    selection = Selection(order=(field,), limit=limit, offset=offset)
    compare = functools.cmp_to_key(lambda one, other: before(one, other, descending))
    wanted = sorted(calls, key=compare)[offset:][: len(calls) if limit is None else limit]
    assert list(select_from(calls, selection, NoLoader())) == wanted


def test_groups_keep_their_places_in_both_directions():
    values = [
        None,
        "b",
        2,
        math.nan,
        True,
        datetime.fromisoformat("2024-01-01"),
        "a",
        -1.5,
        math.inf,
    ]
    calls = calls_of(values)

    def ordered(*order):
        return [
            call.scalars["x"] for call in select_from(calls, Selection(order=order), NoLoader())
        ]

    rising, falling = ordered(arg("x").asc()), ordered(arg("x").desc())
    assert rising[:3] == [-1.5, 2, math.inf]
    assert falling[:3] == [math.inf, 2, -1.5]
    assert math.isnan(rising[3])
    assert math.isnan(falling[3])
    assert (rising[4:6], falling[4:6]) == (["a", "b"], ["b", "a"])
    assert rising[6:] == falling[6:]
    assert {rising[7], rising[8]} == {None, True}


def test_several_orderings_apply_in_turn():
    calls = [
        Call("f", {"a": a, "b": b}, result=a * b, metadata={"n": b}).digested()
        for a in (1, 2)
        for b in (1, 2)
    ]

    def ordered(*order):
        found = select_from(calls, Selection(order=order), NoLoader())
        return [(call.scalars["a"], call.scalars["b"]) for call in found]

    assert ordered(arg("a").asc(), arg("b").desc()) == [(1, 2), (1, 1), (2, 2), (2, 1)]
    assert ordered(meta("n").desc(), result().asc()) == [(1, 2), (2, 2), (1, 1), (2, 1)]


def test_templates_and_all_conditions_select():
    calls = calls_of(range(10))
    selection = Selection(QueryCall("f"), (arg("x") > 2, ~(arg("x") > 5)))
    assert [call.scalars["x"] for call in select_from(calls, selection, NoLoader())] == [3, 4, 5]
    assert not list(select_from(calls, Selection(QueryCall("g")), NoLoader()))


def test_an_unordered_selection_streams_in_the_order_given():
    def endless():
        number = 0
        while True:
            yield Call("f", {"x": number}).digested()
            number += 1

    found = select_from(
        endless(), Selection(conditions=(arg("x") >= 5,), limit=2, offset=1), NoLoader()
    )
    assert [call.scalars["x"] for call in found] == [6, 7]


@pytest.mark.parametrize("wrong", [{"limit": -1}, {"offset": -1}])
def test_negative_limits_are_refused(wrong):
    with pytest.raises(QueryError):
        Selection(**wrong)
