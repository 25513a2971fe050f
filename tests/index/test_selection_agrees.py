"""SQL and Python mean the same by a selection, on every call, condition, order and page."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche_like.calls import Selection, select_from
from tests.index.drawn import Values, broad_selections, calls, selections


def emptied(storage):
    with storage.transaction():
        for key in list(storage.list()):
            storage.evict(key)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    stored=st.lists(calls, min_size=1, max_size=12),
    asked=st.lists(selections | broad_selections, min_size=1, max_size=6),
    steps=st.lists(st.sampled_from(["", "derive", "evict", "again"]), max_size=12),
)
def test_sql_and_python_select_the_same(storages, stored, asked, steps):
    """Whichever of the calls are late, and whoever saved, replaced or indexed them."""
    emptied(storages[0])
    by_key = {}
    for call, step, storage in zip(
        stored, itertools.chain(steps, itertools.repeat("")), itertools.cycle(storages)
    ):
        sealed = call.digested()
        storage.save(sealed)
        by_key[sealed.key] = sealed
        if step == "derive" and storage._late is not None:
            storage._late.derive()
        elif step == "evict":
            storage.evict(sealed.key)
            del by_key[sealed.key]
        elif step == "again":
            again = replace(call, result="again", metadata={"m": {"b": "again"}}).digested()
            storage.save(again)
            by_key[again.key] = again
    storage = storages[0]
    for selection in asked:
        expected = [call.key for call in select_from(by_key.values(), selection, Values())]
        found = [call.key for call in storage.select(selection, Values())]
        if selection.order:
            assert found == expected, selection
        else:
            unlimited = Selection(selection.template, selection.conditions)
            everything = {call.key for call in select_from(by_key.values(), unlimited, Values())}
            assert len(found) == len(set(found)) == len(expected), selection
            assert set(found) <= everything, selection
        assert storage.count(selection, Values()) == len(expected), selection
