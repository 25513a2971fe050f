"""docs/digest.md is enough to write the digest in another language: here it was."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.hashing import digest, encode
from fleche_like.testing import strategies
from tests.hashing import specification


@given(strategies.plain_values())
def test_trees_of_builtin_values_are_encoded_as_documented(value: Any) -> None:
    assert encode(value) == specification.encode(value)
    assert digest(value) == specification.digest(value)


def leaves() -> st.SearchStrategy[Any]:
    plain = strategies.scalars()
    named = st.dictionaries(strategies.texts(), plain, max_size=3)
    return st.one_of(
        plain,
        st.frozensets(plain, max_size=4),
        st.sets(st.frozensets(plain, max_size=2) | st.tuples(plain), max_size=3),
        st.decimals(allow_nan=False).filter(decimal.Decimal.is_finite),
        st.fractions(),
        st.dates(),
        st.datetimes(),
        st.timedeltas(),
        st.uuids(),
        st.binary(max_size=5).map(bytearray),
        st.lists(plain, max_size=3).map(collections.deque),
        named.map(collections.OrderedDict),
        named.map(lambda names: types.SimpleNamespace(**names)),
        st.sampled_from([*strategies.Colour, *map(strategies.Access, range(4)), range(3)]),
        st.builds(strategies.Instance, a=plain),
        st.builds(strategies.Record, plain),
        st.builds(strategies.Point, plain, plain),
        st.lists(plain, max_size=3).map(strategies.Words),
        st.integers().map(strategies.Count),
        st.lists(st.floats(), max_size=4).map(np.array),
    )


@given(st.recursive(leaves(), strategies._containers, max_leaves=8))
def test_other_values_are_encoded_as_documented(value: Any) -> None:
    assert encode(value) == specification.encode(value)
    assert digest(value) == specification.digest(value)


@pytest.mark.parametrize(
    "value",
    [2**31, -(2**31) - 1, 10**5000, "\ud800é", dt.datetime(2024, 1, 1, fold=1), np.zeros((0, 2))],
    ids=lambda _value: "edge",
)
def test_edges_are_encoded_as_documented(value: Any) -> None:
    assert digest([value, {"k": value}]) == specification.digest([value, {"k": value}])
