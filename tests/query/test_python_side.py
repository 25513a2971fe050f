from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fleche_like.calls import Call, arg, meta
from fleche_like.errors import KeyNotFound, NoCallMatches, QueryError
from fleche_like.hashing import digest
from fleche_like.query import HeldCalls, Query
from fleche_like.support.sentinel import MISSING
from tests.query.memory import MemorySource, alphas, everything, grid, simulate


def test_filter_takes_any_function_of_a_call():
    query = everything(grid()).order_by("alpha").filter(lambda call: call.result % 300 == 0)

    assert alphas(query) == [0, 3, 6, 9]


def test_what_was_filtered_can_be_queried_like_the_rest():
    query = everything(grid()).filter(lambda call: call.arguments["alpha"] % 2)

    assert alphas(query.where(arg("alpha") > 1).order_by("-alpha")[1:]) == [7, 5, 3]
    assert query.where(alpha=3).one().result == 300
    assert query.count() == 5
    assert sorted(query.results()) == [100, 300, 500, 700, 900]


def test_held_calls_are_read_once_and_do_not_change():
    source = grid(3)
    seen = []

    def keep(call):
        seen.append(call)
        return True

    held = everything(source).filter(keep)
    assert held.count() == 3
    source.save(simulate(99))

    assert held.count() == 3
    assert len(seen) == 3
    assert [kind for kind, *_ in source.asked] == ["select"]


def test_evicting_held_calls_removes_them_from_the_source():
    source = grid()
    assert everything(source).filter(lambda call: call.arguments["alpha"] > 6).evict() == 3

    assert len(source.calls) == 7


def test_conditions_on_held_calls_reach_into_values_and_a_lost_value_is_absent():
    # So many parts are not kept beside the digest.
    kept, lost = {"lr": 0.1, "all": [0] * 70}, {"lr": 0.2, "all": [0] * 70}
    source = MemorySource(Call("f", {"cfg": kept}), Call("f", {"cfg": lost}))
    del source.values[digest(lost)]
    held = everything(source).hold()

    assert held.where(arg("cfg")["lr"] > 0).one().arguments["cfg"] == kept
    assert isinstance(held.source, HeldCalls)
    with pytest.raises(KeyNotFound) as caught:
        held.source.load_value(digest(lost))
    assert caught.value.key == digest(lost)


def test_sorted_takes_a_function_and_is_stable():
    query = everything(grid(6)).order_by("alpha")

    assert alphas(query.sorted(lambda call: call.arguments["alpha"] % 2)) == [0, 2, 4, 1, 3, 5]
    assert alphas(query.sorted(lambda c: c.arguments["alpha"], reverse=True)[:2]) == [5, 4]


@pytest.mark.parametrize(
    ("key", "reverse", "expected"),
    [
        ("alpha", False, [1, 2, None]),
        ("alpha", True, [2, 1, None]),
        ("-alpha", False, [2, 1, None]),
        ("-alpha", True, [1, 2, None]),
        (arg("alpha"), False, [1, 2, None]),
    ],
)
def test_sorted_by_a_field_puts_what_lacks_it_last(key, reverse, expected):
    source = MemorySource(Call("f", {}), simulate(2), simulate(1))

    found = everything(source).sorted(key, reverse=reverse)
    assert [call.arguments.get("alpha") for call in found] == expected


def test_unique_keeps_the_first_of_each_and_tells_types_apart():
    values: list[Any] = [1, 1.0, True, [1], [1], 1]
    source = MemorySource(*(simulate(a, steps=s, result=0) for s, a in enumerate(values)))
    query = everything(source).order_by("steps")

    assert [c.arguments["steps"] for c in query.unique("alpha")] == [0, 1, 2, 3]
    assert [c.arguments["steps"] for c in query.unique(lambda c: c.arguments["alpha"])] == [
        0,
        1,
        2,
        3,
    ]


def test_groupby_gives_a_query_for_each_value_in_order_of_appearance():
    groups = everything(grid(6)).order_by("alpha").groupby(lambda c: c.arguments["alpha"] % 3)

    assert {key: alphas(group) for key, group in groups.items()} == {
        0: [0, 3],
        1: [1, 4],
        2: [2, 5],
    }
    assert list(groups) == [0, 1, 2]
    assert {type(group) for group in groups.values()} == {Query}
    assert groups[1].where(arg("alpha") > 1).count() == 1


def test_groups_by_field_hold_scalars_digests_and_what_is_missing_without_loading():
    array = np.arange(3)
    source = MemorySource(simulate(1, result=0), simulate(array, result=0), Call("f", {}))
    groups = everything(source).groupby("alpha")

    assert set(groups) == {1, digest(array), MISSING}
    assert not [kind for kind, *_ in source.asked if kind.startswith("load")]
    assert set(everything(grid(2)).groupby(meta("runtime.walltime"))) == {1.0, 2.0}


def test_what_is_no_key_is_refused():
    with pytest.raises(QueryError, match="no field and no function: int"):
        everything(grid()).groupby(3)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="nothing to order by: int"):
        everything(grid()).sorted(3)  # type: ignore[arg-type]


def test_latest_and_oldest_go_by_the_start_and_are_asked_of_the_source():
    source = grid()

    assert everything(source).latest().arguments["alpha"] == 0
    assert alphas(everything(source).latest(1)) == [0]
    assert alphas(everything(source).order_by("alpha").latest(3)) == [0, 1, 2]
    assert alphas(everything(source).where(arg("alpha") < 8).oldest(2)) == [7, 6]
    assert source.asked == [("select", n, 0) for n in (1, 1, 3, 2)]


def test_latest_of_limited_calls_is_the_latest_of_these():
    assert alphas(everything(grid()).order_by("-alpha").limit(4).latest(2)) == [6, 7]


def test_calls_without_a_start_are_neither_latest_nor_oldest_while_others_are_there():
    source = MemorySource(Call("f", {}), simulate(1, at=5))

    assert everything(source).latest().name == "simulate"
    assert everything(source).oldest().name == "simulate"


def test_no_fewer_than_none_can_be_latest():
    with pytest.raises(QueryError, match="negative"):
        everything(grid()).latest(-1)


def test_latest_of_nothing_is_an_error():
    with pytest.raises(NoCallMatches):
        everything(grid(0)).latest()
