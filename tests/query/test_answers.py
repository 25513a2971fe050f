from __future__ import annotations

import pickle

import numpy as np
import pytest

from fleche_like.calls import Call, LazyCall, QueryCall, Selection, arg
from fleche_like.errors import NoCallMatches, QueryError, SeveralCallsMatch
from fleche_like.hashing import digest
from fleche_like.query import Query, batches
from tests.query.memory import MemorySource, alphas, everything, grid, simulate


def test_all_is_a_list_of_lazy_calls_read_by_one_statement():
    source = grid(3)
    calls = everything(source).all()

    assert type(calls) is list
    assert {type(call) for call in calls} == {LazyCall}
    assert source.asked == [("select", None, 0)]


def test_each_answer_is_read_anew():
    source = grid(2)
    query = everything(source)
    assert query.count() == 2
    source.save(simulate(99))

    assert query.count() == 3
    assert 99 in alphas(query)


def test_one_returns_the_only_call():
    assert everything(grid()).where(alpha=3).one().result == 300


def test_one_of_none_says_what_was_asked():
    with pytest.raises(NoCallMatches, match=r"no call matches arg\('alpha'\)=99"):
        everything(grid()).where(alpha=99).one()


def test_one_of_several_shows_two_and_reads_no_more():
    source = grid()
    with pytest.raises(SeveralCallsMatch, match=r"simulate\(alpha=.*simulate\(alpha="):
        everything(source).one()
    assert source.asked == [("select", 2, 0)]


def test_one_among_limited_calls_is_the_one_within():
    assert everything(grid()).order_by("alpha")[3:4].one().arguments["alpha"] == 3


@pytest.mark.parametrize("error", [LookupError, ValueError, QueryError])
def test_no_match_is_caught_by_what_one_expects(error):
    with pytest.raises(error):
        everything(MemorySource()).one()
    with pytest.raises(error):
        everything(MemorySource()).first()


def test_first_reads_one_call_and_has_a_default_that_may_be_none():
    source = grid()
    assert everything(source).order_by("alpha").first().arguments["alpha"] == 0
    assert source.asked == [("select", 1, 0)]
    assert everything(MemorySource()).first(None) is None
    assert everything(MemorySource()).first("nothing") == "nothing"


def test_count_and_exists_read_no_calls():
    source = grid()
    assert everything(source).where(arg("alpha") >= 5).count() == 5
    assert everything(source).exists()
    assert not everything(source).limit(0).exists()

    assert source.asked == [("count", None, 0), ("select", 1, 0), ("select", 0, 0)]


def test_results_come_in_order_and_none_is_a_result():
    source = MemorySource(simulate(1, result=None), simulate(2, result=[2]), simulate(3, result=0))

    assert list(everything(source).order_by("alpha").results()) == [None, [2], 0]


def test_results_that_are_not_there_are_left_out_or_replaced():
    gone = ["gone"]
    source = MemorySource(
        simulate(1, result=[1]), simulate(2, result=gone), Call("simulate", {"alpha": 3})
    )
    del source.values[digest(gone)]
    query = everything(source).order_by("alpha")

    assert list(query.results()) == [[1]]
    assert list(query.results(default=None)) == [[1], None, None]


def test_results_are_loaded_in_growing_batches_and_scalars_not_at_all():
    source = MemorySource(*(simulate(n, result=[n]) for n in range(300)))
    assert len(list(everything(source).results())) == 300
    loads = [count for kind, count, *_ in source.asked if kind == "load"]

    assert loads == [1, 2, 4, 8, 16, 32, 64, 128, 45]
    scalars = grid()
    list(everything(scalars).results())
    assert scalars.asked == [("select", None, 0)]


def test_batches_of_values_that_take_long_to_load_stay_small(monkeypatch):
    source = MemorySource(*(simulate(n, result=[n]) for n in range(20)))
    clock = iter(np.arange(0.0, 1000.0, 0.5))
    monkeypatch.setattr(batches, "monotonic", lambda: next(clock))
    list(everything(source).results())

    assert {count for kind, count, *_ in source.asked if kind == "load"} == {1}


def test_results_are_read_as_they_are_wanted():
    source = MemorySource(*(simulate(n, result=[n]) for n in range(300)))
    results = everything(source).results()
    next(results)

    assert source.asked == [("select", None, 0), ("load", 1)]


def test_evict_removes_what_matches_and_says_how_many():
    source = grid()
    assert everything(source).where(arg("alpha") < 4).evict() == 4
    assert everything(source).order_by("-alpha")[:2].evict() == 2

    assert alphas(everything(source).order_by("alpha")) == [4, 5, 6, 7]
    assert everything(source).where(alpha=99).evict() == 0


def test_evict_reads_all_keys_before_it_removes_any():
    source = grid(3)
    everything(source).evict()

    assert [kind for kind, *_ in source.asked] == ["select", "evict", "evict", "evict"]


def test_a_query_travels():
    template = QueryCall(name="simulate")
    query = Query(grid(), Selection(template)).where(arg("alpha") > 3).order_by("alpha")[1:]

    copy = pickle.loads(pickle.dumps(query))

    assert alphas(copy) == alphas(query) == [5, 6, 7, 8, 9]
    assert alphas(copy.limit(2)) == [5, 6]


def test_held_calls_travel_with_their_query():
    query = everything(grid()).filter(lambda call: call.arguments["alpha"] > 6).order_by("alpha")

    assert alphas(pickle.loads(pickle.dumps(query))) == [7, 8, 9]
