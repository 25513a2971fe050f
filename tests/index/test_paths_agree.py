"""Conditions, orders and figures of paths: SQL and Python agree, known inside or not."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche_like.calls import (
    Call,
    Grouping,
    Selection,
    aggregate_from,
    arg,
    count,
    result,
    select_from,
)
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import Digest, digest, value_digest

ATOMS = [0, 1, 1.0, True, None, "a", 2**60 + 1]
VALUES: dict[Digest, object] = {}


def remembered(value):
    """Let the value be loaded: what is not known inside must be."""
    VALUES[value_digest(value)] = value
    return value


for atom in [*ATOMS, {"a": 1}, {"a": 0}]:
    remembered(atom)

leaves = st.sampled_from([*ATOMS, Digest(digest({"a": 1})), Digest(digest(1)), b"x"])
inner = st.one_of(
    leaves,
    leaves.map(lambda leaf: {"a": leaf}),
    leaves.map(lambda leaf: [leaf]),
    leaves.map(lambda leaf: OrderedDict(a=leaf)),
)
containers = st.one_of(
    inner.map(lambda one: {"a": one}),
    inner.map(lambda one: {"a": one, "all": [0] * 70}),
    inner.map(lambda one: OrderedDict(a=one)),
    inner.map(lambda one: [one, {"a": one}]),
).map(remembered)
values = containers | st.sampled_from([1, None, Digest(digest({"a": 1}))])
calls = st.builds(
    lambda x, y, returned: Call("f", {"x": x, "y": y}, result=returned),
    values,
    st.integers(0, 9),
    values,
)
fields = st.sampled_from(
    [
        one
        for root in (arg("x"), result())
        for one in (root["a"], root["a"], root["a"]["a"], root[0], root["a"][0], root["b"])
    ]
)
constants = st.sampled_from([*ATOMS, Digest(digest(1)), Digest(digest(1)[:6]), {"a": 1}])
atoms = st.one_of(
    st.builds(
        lambda field, name, constant: getattr(field, name)(constant),
        fields,
        st.sampled_from(["__eq__", "__ne__", "__lt__", "__ge__"]),
        constants,
    ),
    fields.map(lambda field: field.is_none()),
    st.builds(lambda field, few: field.in_(few), fields, st.lists(constants, max_size=2)),
)
conditions = st.one_of(
    atoms,
    atoms.map(lambda one: ~one),
    st.builds(lambda one, other: one | other, atoms, atoms),
    st.builds(lambda one, other: ~(one & other), atoms, atoms),
)


class Values:
    def load_value(self, wanted, /):
        if wanted not in VALUES:
            raise KeyNotFound(wanted)
        return VALUES[wanted]


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    stored=st.lists(calls, min_size=2, max_size=8),
    asked=st.lists(st.tuples(conditions, fields, fields), min_size=2, max_size=4),
    derived=st.integers(0, 8),
)
def test_paths_mean_the_same(storages, stored, asked, derived):
    storage = storages[0]
    with storage.transaction():
        for key in list(storage.list()):
            storage.evict(key)
    by_key = {}
    for position, call in enumerate(stored):
        sealed = call.digested()
        storage.save(sealed)
        by_key[sealed.key] = sealed
        if position == derived and storage._late is not None:
            storage._late.derive()
    for condition, order, by in asked:
        selection = Selection(conditions=(condition,), order=(order.asc(),), limit=5)
        expected = [call.key for call in select_from(by_key.values(), selection, Values())]
        assert [call.key for call in storage.select(selection, Values())] == expected, selection
        whole = Selection(conditions=(condition,))
        number = sum(1 for _ in select_from(by_key.values(), whole, Values()))
        assert storage.count(whole, Values()) == number, condition
        grouping = Grouping([by], {"n": count(), "most": order.max(), "sum": order.sum()})
        mine = list(grouping.figures(storage.aggregate(whole, grouping, Values())))
        other = aggregate_from(by_key.values(), whole, grouping, Values())
        assert repr(mine) == repr(list(grouping.figures(other))), (condition, by, order)
