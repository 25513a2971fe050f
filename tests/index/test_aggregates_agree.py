"""Aggregates of SQL are those of Python, whatever the values are and wherever the calls are."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fleche_like.calls import (
    Call,
    Grouping,
    Selection,
    aggregate_from,
    all_parts,
    count,
    flatten,
    result,
    select_from,
)
from fleche_like.hashing import digest
from fleche_like.index import by_rows, selecting
from fleche_like.support.sentinel import MISSING
from tests.index.drawn import Values, calls, fields, selections

measures = st.builds(
    lambda field, name: getattr(field, name)(),
    fields,
    st.sampled_from(["count", "min", "max", "sum", "mean", "std"]),
)
groupings = st.builds(
    lambda by, several: Grouping(by, {str(at): one for at, one in enumerate([count(), *several])}),
    st.lists(fields, max_size=2),
    st.lists(measures, max_size=3),
)


def shown(groups, grouping):
    """Groups as a mapping: floats may differ in their last digits, where sums do."""
    return {tuple(map(identity, labels)): figures for labels, figures in grouping.figures(groups)}


def identity(label):
    return "missing" if label is MISSING else digest(label)


def empty(storage):
    with storage.transaction():
        for key in list(storage.list()):
            storage.evict(key)


def magnitude(calls):
    """The largest number among all values: sums are as exact as that allows."""
    every = [
        value
        for call in calls
        for value in [*call.comparable.values(), *flatten(call.metadata).values(), *inside(call)]
    ]
    numbers = [abs(value) for value in every if type(value) in (int, float) and value == value]
    return min(1e308, float(max((n for n in numbers if n < 1e308), default=0)))


def inside(call):
    return [part.scalar for parts in call.parts.values() for _, part in all_parts(parts)]


def close(one, other, scale):
    if type(one) is not type(other):
        return False
    if type(one) is float and math.isfinite(one) and math.isfinite(other):
        return abs(one - other) <= max(1e-9, 1e-9 * scale)
    return one is other or digest(one) == digest(other) or (one != one and other != other)


@settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    stored=st.lists(calls, min_size=1, max_size=10),
    asked=st.lists(st.tuples(selections | st.just(Selection()), groupings), min_size=1, max_size=6),
    derived=st.integers(0, 10),
    many=st.booleans(),
)
def test_sql_and_python_aggregate_the_same(storages, stored, asked, derived, many, monkeypatch):
    storage = storages[0]
    # As if there were so many calls that other ways are quicker.
    monkeypatch.setattr(by_rows, "MOST_GATHERED", 0 if many else 2000)
    monkeypatch.setattr(selecting, "MOST_LOOKED_UP", 0 if many else 20_000)
    empty(storage)
    by_key = {}
    for position, call in enumerate(stored):
        sealed = call.digested()
        storage.save(sealed)
        by_key[sealed.key] = sealed
        if position == derived and storage._late is not None:
            storage._late.derive()
    for selection, grouping in asked:
        selection = replace(selection, order=(), limit=None, offset=0)
        expected = shown(aggregate_from(by_key.values(), selection, grouping, Values()), grouping)
        found = shown(storage.aggregate(selection, grouping, Values()), grouping)
        chosen = select_from(by_key.values(), selection, Values())
        assert storage.count(selection, Values()) == sum(1 for _ in chosen)
        assert found.keys() == expected.keys(), (selection, grouping.by)
        scale = magnitude(by_key.values())
        for key, figures in found.items():
            for name, figure in figures.items():
                if scale > 1e100 and grouping.aggregates[name].measure in {"std", "sum", "mean"}:
                    continue  # on the way to infinity the order of additions decides
                assert close(figure, expected[key][name], scale), (
                    selection, grouping.by, grouping.aggregates[name], figure, expected[key][name],
                )  # fmt: skip


def test_spreads_of_the_smallest_numbers_are_no_error(storages):
    storage = storages[0]
    empty(storage)
    for number, tiny in enumerate([1e-200, 3e-200, 5e-324]):
        storage.save(Call("f", {"x": number}, result=tiny).digested())
    grouping = Grouping([], {"spread": result().std(), "mean": result().mean()})
    ((_, figures),) = grouping.figures(storage.aggregate(Selection(), grouping, Values()))
    assert math.isclose(figures["mean"], 4e-200 / 3)
    assert 0 <= figures["spread"] < 1e-150
