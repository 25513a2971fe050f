from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleche_like.backends import MemoryBackend
from fleche_like.cache import Cache
from fleche_like.calls import Call, arg, meta, result
from fleche_like.config import open_cache
from fleche_like.query import Query, QuerySource
from fleche_like.storage import BackendCallStorage, BackendValueStorage
from tests.query.memory import MemorySource, simulate

CALLS = [
    *(simulate(n, at=20 - n) for n in range(8)),
    *(simulate(n / 2, "many", result=[n], at=n) for n in range(6)),
    Call("train", {"lr": 0.1, "alpha": True, "name": "x"}, "lab", version=2, result=None),
    Call("train", {"lr": None, "alpha": "a"}, "lab", version=3, result=float("nan")),
]


def with_index() -> Cache:
    return open_cache("memory://")


def without_index() -> Cache:
    return Cache(BackendValueStorage(MemoryBackend()), BackendCallStorage(MemoryBackend()))


@pytest.fixture(scope="module", params=[with_index, without_index])
def cache(request: pytest.FixtureRequest) -> Iterator[Cache]:
    with request.param() as made:
        for call in CALLS:
            made.save(call)
        yield made


PLAIN = MemorySource(*CALLS)

fields = st.sampled_from([arg("alpha"), arg("steps"), result(), meta("runtime.walltime")])
values: Any = st.sampled_from([0, 1, 2.5, True, None, "a", "many", 300])
comparisons = st.builds(
    lambda field, name, value: getattr(field, name)(value),
    fields,
    st.sampled_from(["__lt__", "__le__", "__eq__", "__ne__", "__gt__", "__ge__"]),
    values,
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=3,
)
orders = st.sampled_from(["alpha", "-alpha", "-result", "steps", "meta.runtime.started"])
steps = st.one_of(
    st.builds(lambda c: lambda q: q.where(c), conditions),
    st.builds(lambda v: lambda q: q.where(alpha=v), values),
    st.builds(lambda o: lambda q: q.order_by(o), orders),
    st.builds(lambda k: lambda q: q.sorted(k).order_by("-alpha"), orders),
    st.just(lambda q: q.filter(lambda call: call.digested.result is not None)),
)
windows = st.builds(slice, st.integers(0, 5), st.integers(0, 12) | st.none())


@settings(deadline=None)
@given(chain=st.lists(steps, max_size=3), window=windows)
def test_a_cache_answers_as_the_plain_source_does(cache, chain, window):
    queries = [Query(cache), Query(PLAIN)]
    for step in chain:
        queries = [step(query) for query in queries]
    mine, plain = (query.order_by("alpha")[window] for query in queries)

    assert [call.key for call in mine] == [call.key for call in plain]
    assert mine.count() == plain.count()
    assert mine.exists() == plain.exists()
    assert repr(list(mine.results())) == repr(list(plain.results()))
    full = {"library": None, "short": False, "results": True}
    assert repr(mine.table(**full)) == repr(plain.table(**full))


def test_caches_are_sources(cache):
    assert isinstance(cache, QuerySource)


def test_the_index_of_a_table_leads_back_to_the_calls(cache):
    frame = cache.query(name="simulate").order_by("alpha", "steps").table()

    assert len(set(frame.index)) == len(frame) == 14
    for key, alpha in zip(frame.index, frame["alpha"], strict=True):
        assert cache.load(key).arguments["alpha"] == alpha
        assert len(key) < 32


def test_values_of_a_table_come_from_the_cache(cache):
    frame = cache.query(name="simulate").where(steps="many").order_by("alpha").table(results=True)

    assert list(frame["result"]) == [[n] for n in range(6)]


@pytest.mark.parametrize("make", [with_index, without_index])
def test_evicting_removes_the_calls_from_the_cache(make):
    with make() as cache:
        for call in CALLS:
            cache.save(call)
        held = cache.query(name="simulate").order_by("alpha").hold()
        held.all()

        assert cache.query(name="simulate").where(arg("alpha") >= 1).evict() == 11
        assert cache.query(name="simulate").count() == 3
        assert cache.query(name="train").count() == 2
        assert {len(key) for key in held.table().index} == {32}
        assert held.evict() == 14
        assert cache.query().evict() == 2
        assert not cache.query()


def test_latest_and_oldest_agree_with_the_times_they_started(cache):
    latest = cache.query(name="simulate").latest(3)

    assert [call.arguments["alpha"] for call in latest] == [0, 1, 2]
    assert cache.query().oldest().arguments["alpha"] == 0.0
