"""Lineages of SQL are those of Python, through circles, containers and calls that are late."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche_like.calls import Call, LineageQuery, related_in
from fleche_like.hashing import Digest, digest, value_digest

ARRAYS = [np.arange(n) for n in range(1, 6)]
VALUES = [*ARRAYS, [1, "a"], {"x": 2}, (), 7, "seven", None]
values = st.one_of(
    st.sampled_from(VALUES),
    st.sampled_from(ARRAYS).map(lambda value: Digest(digest(value))),
    st.lists(st.sampled_from([*ARRAYS, 3, *map(digest, ARRAYS)]), max_size=2),
    st.sampled_from(ARRAYS).map(lambda array: {"deep": [{"er": array}], "n": 1}),
    st.sampled_from(ARRAYS).map(lambda array: [[array], *range(100)]),
)
calls = st.builds(
    Call,
    st.sampled_from(["f", "g", "h"]),
    st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2),
    result=values,
)
asked = st.builds(
    lambda depth, scalars, up, down: (depth, scalars, up, down),
    st.none() | st.integers(1, 3) | st.just(10**12),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def keys(found):
    return [sorted(call.key for call in side) for side in (found.up, found.down)]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    stored=st.lists(calls, min_size=1, max_size=10),
    several=st.lists(asked, min_size=1, max_size=2),
    begin=st.lists(st.sampled_from(VALUES), max_size=2),
    derived=st.lists(st.booleans(), max_size=10),
)
def test_sql_and_python_follow_the_same_ties(storages, stored, several, begin, derived):
    storage = storages[0]
    with storage.transaction():
        for key in list(storage.list()):
            storage.evict(key)
    by_key = {}
    for call, now in zip(stored, itertools.chain(derived, itertools.repeat(False)), strict=False):
        sealed = call.digested()
        storage.save(sealed)
        by_key[sealed.key] = sealed
        if now and storage._late is not None:
            storage._late.derive()
    starts: list[Any] = [(key, None) for key in list(by_key)[:2]]
    starts += [(None, value_digest(value)) for value in begin]
    for (depth, scalars, up, down), (key, value) in itertools.product(several, starts):
        query = LineageQuery(key, value, up, down, depth, scalars)
        assert keys(storage.related(query)) == keys(related_in(by_key.values(), query)), query
