"""Calls, conditions and selections that are odd in every way that is known."""

from __future__ import annotations

import functools
import math
import operator
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
from hypothesis import strategies as st

from fleche_like.calls import Call, QueryCall, Selection, arg, meta, result
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import Digest, digest, value_digest

EAST = timezone(timedelta(hours=14))
INTS = [
    0,
    1,
    -1,
    3,
    2**53,
    2**53 + 1,
    2**53 + 2,
    -(2**53) - 1,
    2**63,
    2**64 + 1,
    10**400,
    -(10**400),
]
FLOATS = [
    0.0,
    -0.0,
    1.0,
    0.5,
    1e300,
    2.0**53,
    2.0**64,
    math.inf,
    -math.inf,
    math.nan,
    1.7976931348623157e308,
]
TEXTS = [
    "", "a", "A", "a ", " a", "ab", "a\0", "a\0b", "a\x01", "a%", "a_", "á", "\ue000", "a\ue000",
    "a\ue000b", "\ud800", "a\ud800", "a\udfffx", "\U0001f600", "\uffff", "\U0010ffff", "x" * 254,
    "x" * 255, "x" * 300, "x" * 254 + "y", "'", '"', "\\", "1", "s", "\ud7ff",
]  # fmt: skip
DATES = [
    datetime(2020, 1, 1), datetime(2020, 1, 1, 12, 0, 0, 1), datetime(2020, 1, 1, fold=1),
    datetime.min, datetime.max, datetime(2020, 1, 1, tzinfo=UTC),
    datetime(2020, 1, 1, 14, tzinfo=EAST), datetime.min.replace(tzinfo=EAST),
    datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))), datetime(2500, 7, 1, tzinfo=UTC),
]  # fmt: skip
ODD = [None, True, False, [1], (1,), {"a": 1}, np.float64(0.5), np.int64(3), np.bool_(True), b"x"]

scalars = st.one_of(
    st.sampled_from([*INTS, *FLOATS, *TEXTS, *DATES, *ODD]),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=3),
)


@dataclass
class Settings:
    a: object
    b: object = None


ARRAY = np.arange(3)
parts = scalars | st.sampled_from(
    [ARRAY, Digest(digest({"a": 1})), Digest(digest(1)), OrderedDict(a=1), "y" * 2000, {2, 3}]
)
containers = st.recursive(
    parts,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.sampled_from(["a", "b", "a\0", "k" * 250]), inner, max_size=2),
        st.dictionaries(st.sampled_from([0, 1, True, 2.5, -1, None]), inner, max_size=2),
        st.builds(Settings, inner, inner),
        inner.map(lambda one: {"a": one, "all": [0] * 70}),
        inner.map(lambda one: {"a": {"a": {"a": {"a": {"a": {"a": {"a": one}}}}}}}),
    ),
    max_leaves=6,
).map(lambda value: remembered(value))
VALUES = {}


def remembered(value):
    """Let the value be loaded, and what is inside it; but some are gone."""
    key = value_digest(value)
    if key[0] not in "01":
        VALUES[key] = value
    return value


for odd in [*ODD, {"a": 1}, 1, ARRAY]:
    VALUES[value_digest(odd)] = odd

values = scalars | containers
argument_values = values | st.sampled_from([Digest(digest(1)), Digest(digest("a"))])
constants = argument_values | values.map(lambda value: Digest(digest(value)[:4]))
names = st.sampled_from(["x", "y", "Y", "z"])
dotted = st.sampled_from(["m", "m.a", "m.b", "t", "long" * 60, "x"])
leaves = st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2)

calls = st.builds(
    Call,
    st.sampled_from(["f", "g", "F", "f "]),
    st.dictionaries(names, argument_values, max_size=3),
    module=st.sampled_from([None, "m", ""]),
    version=st.sampled_from([None, 1, "1"]),
    code=st.sampled_from([None, digest("code"), digest("other")]),
    result=argument_values,
    metadata=st.dictionaries(st.sampled_from(["m", "t", "long" * 60]), values | leaves, max_size=2),
)

steps = st.sampled_from(["a", "a", "b", 0, 0, 1, "a\0", "k" * 250, "all"])
paths = st.builds(
    lambda field, steps: functools.reduce(operator.getitem, steps, field),
    names.map(arg) | st.just(result()),
    st.lists(steps, min_size=1, max_size=3) | st.just(["a"] * 8),
)
fields = st.one_of(names.map(arg), dotted.map(meta), st.just(result()), paths, st.just(arg("w")))
comparisons = st.builds(
    lambda field, name, constant: getattr(field, name)(constant),
    fields,
    st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]),
    constants,
)
atoms = st.one_of(
    comparisons,
    st.builds(lambda field, several: field.in_(several), fields, st.lists(constants, max_size=3)),
    st.builds(
        lambda field, prefix: field.startswith(prefix),
        fields,
        st.sampled_from(TEXTS) | st.text(max_size=2),
    ),
    fields.map(lambda field: field.is_none()),
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        inner.map(lambda part: ~part),
    ),
    max_leaves=4,
)
orderings = st.builds(
    lambda field, down: field.desc() if down else field.asc(), fields, st.booleans()
)
templates = st.builds(
    QueryCall,
    name=st.sampled_from([None, None, "f", "F", "nosuch"]),
    arguments=st.none() | st.dictionaries(names, constants | st.none(), max_size=1),
    metadata=st.none() | st.dictionaries(dotted, values, max_size=1),
    module=st.sampled_from([None, None, "m", ""]),
    version=st.sampled_from([None, None, 1, "1"]),
    code=st.sampled_from([None, None, digest("code"), digest("code")[:5]]),
    result=st.none() | constants,
)
selections = st.builds(
    Selection,
    template=templates,
    conditions=st.lists(expressions, max_size=2).map(tuple),
    order=st.lists(orderings, max_size=2).map(tuple),
    limit=st.none() | st.integers(0, 5),
    offset=st.integers(0, 3),
)
whole_templates = st.just(QueryCall())
broad_selections = st.builds(
    Selection,
    template=whole_templates,
    conditions=st.lists(expressions, max_size=1).map(tuple),
    order=st.lists(orderings, min_size=1, max_size=2).map(tuple),
    limit=st.none() | st.integers(0, 5),
    offset=st.integers(0, 3),
)


class Values:
    """A loader of what the calls' containers hold."""

    def load_value(self, wanted: Digest, /):
        if wanted not in VALUES:
            raise KeyNotFound(wanted)
        return VALUES[wanted]
