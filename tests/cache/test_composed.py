"""Stacks, pools and views: what is found where, what a write does, and who never waits for whom."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import random
import signal
import threading

import pytest

import fleche_like as fl
from fleche_like.cache import FilteredCache, ReadOnlyCache, RefreshingCache
from fleche_like.errors import ConfigError, ReadOnlyError
from fleche_like.support.sentinel import MISSING
from fleche_like.testing.caches import call_of

PATIENCE_S = 60


@pytest.fixture
def near(tmp_path):
    with fl.open_cache(tmp_path / "near") as cache:
        yield cache


@pytest.fixture
def far(tmp_path):
    with fl.open_cache(tmp_path / "far") as cache:
        yield cache


KEY = call_of(1).key


# Stacks


def test_what_is_found_below_is_there_above_next_time(near, far):
    far.save(call_of(1, [1], note="kept"))
    stack = fl.CacheStack(near, far)
    assert stack.lookup(KEY) == [1]
    assert near.load(KEY).digested == far.load(KEY).digested
    assert near.lookup(KEY) == [1]
    before = far.hits, far.misses
    assert stack.lookup(KEY) == [1]
    assert (far.hits, far.misses) == before


def test_many_that_are_found_below_are_there_above_next_time(near, far):
    keys = [far.save(call_of(n, [n])) for n in range(10)]
    near.adopt(far.load(keys[0]).digested, [0])
    stack = fl.CacheStack(near, far)
    assert stack.lookup_many(keys) == {key: [n] for n, key in enumerate(keys)}
    assert near.stats().calls == 10


def test_a_write_goes_to_the_bottom_alone(near, far):
    stack = fl.CacheStack(near, far)
    stack.save(call_of(1, [1]))
    assert far.contains(KEY)
    assert not near.contains(KEY)


def test_nothing_is_filled_that_is_read_only(tmp_path, near, far):
    far.save(call_of(1, [1]))
    stack = fl.CacheStack(ReadOnlyCache(near), far)
    assert stack.lookup(KEY) == [1]
    assert not near.contains(KEY)


def test_a_write_is_refused_that_a_read_only_top_would_hide(near, far):
    near.save(call_of(1, "old"))
    stack = fl.CacheStack(ReadOnlyCache(near), far)
    for write in (lambda: stack.save(call_of(1, "new")), lambda: stack.evict(KEY)):
        with pytest.raises(ReadOnlyError):
            write()
    assert not far.contains(KEY)
    assert stack.lookup(KEY) == "old"


def test_a_copy_that_fails_costs_the_copy_alone(near, far, monkeypatch, caplog):
    far.save(call_of(1, [1]))

    def full(*_):
        raise OSError(28, "no space left")

    monkeypatch.setattr(near, "_store", full)
    with caplog.at_level(logging.WARNING):
        assert fl.CacheStack(near, far).lookup(KEY) == [1]
    assert "was not filled" in caplog.text


def test_a_top_that_fails_is_passed_over(near, far, monkeypatch, caplog):
    far.save(call_of(1, [1]))
    for name in ("lookup", "lookup_many", "lookup_mapped"):
        monkeypatch.setattr(near, name, lambda *_: 1 / 0)
    stack = fl.CacheStack(near, far)
    with caplog.at_level(logging.WARNING):
        assert stack.lookup(KEY) == stack.lookup_mapped(KEY, mmap=True) == [1]
        assert stack.lookup_many([KEY]) == {KEY: [1]}
    assert "does not answer" in caplog.text


def test_a_write_between_reading_below_and_copying_leaves_no_old_copy(near, far, monkeypatch):
    """The reader has read the old result; the writer is done; only then does the reader copy."""
    stack = fl.CacheStack(near, far)
    far.save(call_of(1, "old"))
    plain = near.adopt

    def late(call, result):
        stack.save(call_of(1, "new"))
        plain(call, result)

    monkeypatch.setattr(near, "adopt", late)
    assert stack.lookup(KEY) == "old"  # it was, when it was asked for
    monkeypatch.undo()
    assert not near.contains(KEY)
    assert stack.lookup(KEY) == "new"


def test_an_unchecked_copy_is_answered_to_nobody(near, far, monkeypatch):
    """Another thread asks while an old copy is there and was not looked at again."""
    stack = fl.CacheStack(near, far)
    far.save(call_of(1, "old"))
    plain, seen = near.adopt, []

    def late(call, result):
        stack.save(call_of(1, "new"))
        plain(call, result)
        seen.extend([stack.lookup(KEY), stack.lookup_many([KEY])[KEY]])
        assert stack.recall(KEY) is MISSING

    monkeypatch.setattr(near, "adopt", late)
    stack.lookup(KEY)
    assert seen == ["new", "new"]


def test_a_copy_that_is_interrupted_before_it_is_looked_at_again_is_not_older(
    near, far, monkeypatch
):
    """Ctrl-C in one thread, while another one writes what it copies."""
    stack = fl.CacheStack(near, far)
    far.save(call_of(1, "old"))
    find, asked = far.calls.lookup, []
    writer = threading.Thread(target=stack.save, args=(call_of(1, "new"),))

    def lookup(key):
        asked.append(key)
        if len(asked) > 1:
            raise KeyboardInterrupt
        found = find(key)
        writer.start()
        writer.join(0.5)  # what it must not do before the copy is there
        return found

    monkeypatch.setattr(far.calls, "lookup", lookup)
    with pytest.raises(KeyboardInterrupt):
        stack.lookup(KEY)
    monkeypatch.undo()
    writer.join(PATIENCE_S)
    assert stack.lookup(KEY) == "new"


def test_readers_and_writers_at_once_end_with_the_last_result(near, far):
    """After a write has returned no reader gets an older result; versions only ever grow."""
    stack = fl.CacheStack(near, far)
    stack.save(call_of(1, 0))
    written, wrong, stop = [0], [], threading.Event()

    def write() -> None:
        for number in range(1, 60):
            stack.save(call_of(1, number))
            written[0] = number
        stop.set()

    def read() -> None:
        while not stop.is_set():
            before = written[0]
            found = stack.lookup(KEY)
            if found is MISSING or found < before:
                wrong.append((found, before))

    threads = [threading.Thread(target=work) for work in (write, read, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert stack.lookup(KEY) == 59


def _overwrite(packed: bytes, go) -> None:
    stack = pickle.loads(packed)
    go.wait(PATIENCE_S)
    for number in range(1_000_000):
        stack.save(call_of(1, number))


def test_a_writer_that_is_killed_leaves_no_top_older_than_what_it_wrote(near, far):
    """Whenever SIGKILL comes, a top holds what the bottom holds, or nothing."""
    stack = fl.CacheStack(near, far)
    stack.save(call_of(1, -1))
    context = multiprocessing.get_context("fork")
    for pause_s in [random.uniform(0.0, 0.02) for _ in range(8)]:
        go = context.Event()
        writer = context.Process(target=_overwrite, args=(pickle.dumps(stack), go))
        writer.start()
        stack.lookup(KEY)
        go.set()
        threading.Event().wait(0.05 + pause_s)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert stack.lookup(KEY) == far.lookup(KEY)


def test_a_compositions_single_flight_is_that_of_its_bottom(near, far):
    assert fl.CacheStack(near, far).leases is far.leases


# Pools


def test_a_pool_answers_from_any_and_the_first_one_counts(near, far):
    near.save(call_of(1, "first"))
    for number in range(4):
        far.save(call_of(number, "second", place=number))
    pool = fl.CachePool(near, far)
    assert pool.lookup(KEY) == pool.load(KEY).result == "first"
    assert pool.lookup_many([call_of(n).key for n in range(5)]).keys() == {
        call_of(n).key for n in range(4)
    }
    assert pool.query(name="suite").count() == len([*pool.query(name="suite")]) == 4
    # The second one's record of the first call matches, and is not what the pool holds.
    hidden = pool.query(result="second")
    assert hidden.count() == len([*hidden]) == 3
    assert not near.contains(call_of(2).key)


def test_a_pool_refuses_writes_and_functions_compute_under_it(near, far):
    pool, runs = fl.CachePool(near, far), []

    @fl.memoize(cache=pool)
    def f(n):
        runs.append(n)
        return n

    assert [f(1), f(1)] == [1, 1]
    assert runs == [1, 1]
    for write in (
        lambda: pool.save(call_of(1, 1)),
        lambda: pool.evict(KEY),
        lambda: pool.calls.save(call_of(1, 1).digested()),
        lambda: pool.values.save(1),
        lambda: pool.calls.evict(KEY),
    ):
        with pytest.raises(ReadOnlyError):
            write()


@pytest.mark.parametrize("limit", [None, 5])
def test_a_union_orders_and_limits_as_one_cache_would(near, far, tmp_path, limit):
    """The oracle: everything in one cache."""
    whole = fl.open_cache(tmp_path / "whole")
    numbers = random.Random(7).sample(range(100), 60)
    for place, number in enumerate(numbers):
        for cache in (whole, near if place % 3 else far, *([far] if place % 5 == 0 else [])):
            cache.save(call_of(number, number % 7, tag=number % 3))
    pool = fl.CachePool(near, far)
    for order in (("-n",), ("tag", "n"), ("n",)):
        asked = [
            each.query(name="suite").where(fl.arg("n") > 10).order_by(*order).limit(limit).offset(3)
            for each in (whole, pool)
        ]
        keys = [[call.key for call in query] for query in asked]
        assert keys[0] == keys[1]
        assert asked[0].count() == asked[1].count()
    short = [cache.shrink_keys([call_of(n).key for n in numbers]) for cache in (whole, pool)]
    assert short[0] == tuple(short[1])
    groups = [
        c.query().group_by("tag").agg(n=fl.count(), top=fl.result().max()) for c in (whole, pool)
    ]
    assert groups[0].table().equals(groups[1].table())
    whole.close()


def test_keys_that_agree_across_caches_are_told_apart(near, far):
    """Each cache alone would shrink them to four characters."""
    from fleche_like.testing.caches import _twins

    first, second = _twins()
    near.adopt(first, MISSING) if first.result else near.calls.save(first)
    far.calls.save(second)
    pool = fl.CachePool(near, far)
    assert near.shrink(first.key) == first.key[:4]
    assert len(pool.shrink(first.key)) > 4
    with pytest.raises(fl.AmbiguousDigestError):
        pool.expand(first.key[:4])
    assert pool.expand(pool.shrink(second.key)) == second.key


def test_a_lineage_crosses_caches(near, far):
    near.save(fl.Call("make", {"n": 1}, result=[1.5, [2]]))
    far.save(fl.Call("use", {"x": [1.5, [2]]}, result="done"))
    assert len(fl.CachePool(near, far).lineage(fl.digest([1.5, [2]]))) == 2


@pytest.mark.parametrize("members", [(), ("results",), (None,)])
def test_a_composition_is_of_open_caches(members):
    with pytest.raises(ConfigError):
        fl.CacheStack(*members)


# Views


def test_a_read_only_view_is_no_way_to_write(near):
    near.save(call_of(1, 1))
    view = ReadOnlyCache(near)
    assert view.read_only
    assert view.lookup(KEY) == 1
    for write in (
        lambda: view.save(call_of(2, 2)),
        lambda: view.evict(KEY),
        lambda: view.calls.evict(KEY),
        lambda: view.values.evict(fl.digest(1)),
        lambda: view.query().evict(),
    ):
        with pytest.raises(ReadOnlyError):
            write()
    assert near.contains(KEY)


@pytest.mark.parametrize(("once", "expected"), [(False, 3), (True, 1)])
def test_a_refreshing_view_computes_anew_and_overwrites(near, once, expected):
    runs = []

    @fl.memoize
    def f(n):
        runs.append(n)
        return len(runs)

    with fl.use_cache(near):
        assert f(1) == 1
    with fl.use_cache(RefreshingCache(near, once=once)):
        results = [f(1), f(1), f(1)]
    assert len(runs) == 1 + expected
    with fl.use_cache(near):
        assert f(1) == results[-1] == len(runs)


VIEWS = {
    "refreshing": lambda cache: RefreshingCache(cache, once=True),
    "filtered": lambda cache: FilteredCache(cache, fl.arg("n") < 0),
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("number", [1, 3])
def test_what_a_view_does_not_answer_is_a_miss_however_it_is_looked_up(near, make, number):
    keys = [near.save(call_of(n, n)) for n in range(number)]
    view = make(near)
    assert view.lookup_many([*keys, keys[0]]) == {}
    assert (view.hits, view.misses) == (0, number)
    assert view.lookup(keys[0]) is MISSING
    assert view.lookup_mapped(keys[0], mmap=True) is MISSING
    assert (view.hits, view.misses) == (0, number + 2)


def test_a_refreshing_view_counts_what_it_answers_apart_from_what_it_does_not(near):
    keys = [near.save(call_of(n, n)) for n in range(3)]
    view = RefreshingCache(near, once=True)
    view.save(call_of(1, "new"))
    assert view.lookup_many(keys) == {keys[1]: "new"}
    assert (view.hits, view.misses) == (1, 2)


FILTERS = {
    "expression": fl.arg("n") < 10,
    "template": fl.QueryCall(metadata={"small": True}),
    "function": lambda call: call.arguments["n"] < 10,
}


@pytest.mark.parametrize("where", FILTERS.values(), ids=FILTERS)
def test_a_filtered_view_sees_and_stores_what_fits(near, where):
    for number in range(20):
        near.save(call_of(number, number, small=number < 10))
    view = FilteredCache(near, where)
    inside, outside = call_of(3).key, call_of(13).key
    assert view.lookup(inside) == 3
    assert view.lookup(outside) is MISSING
    assert view.lookup_mapped(outside, mmap=True) is MISSING
    assert view.lookup_many([inside, outside]) == {inside: 3}
    assert (view.contains(inside), view.contains(outside)) == (True, False)
    with pytest.raises(KeyError):
        view.load(outside)
    assert view.query().count() == len([*view.query()]) == len([*view.calls.list()]) == 10
    found = view.query(name="suite").order_by("-n").limit(2)
    assert [call.arguments["n"] for call in found] == [9, 8]
    for number in (0, 15):
        view.save(call_of(number, "again", small=number < 10))
    assert view.refused == 1
    assert near.lookup(call_of(0).key) == "again"
    assert near.lookup(call_of(15).key) == 15
    view.evict(outside)
    assert near.contains(outside)
    view.evict(inside)
    assert not near.contains(inside)


def test_short_keys_of_a_filtered_view_are_told_apart_from_what_is_seen_alone(near):
    from fleche_like.testing.caches import _twins

    first, second = _twins()
    for call in (first, second):
        near.calls.save(call)
    view = FilteredCache(near, lambda call: call.key == first.key)
    assert view.expand(first.key[:4]) == first.key
    assert view.shrink(first.key) == first.key[:4]
    assert len(near.shrink(first.key)) > 4
