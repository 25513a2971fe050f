"""Budgets: what goes first, what is counted, what survives, and with many processes at work."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import multiprocessing
import os
import pickle
import random
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.backends import MemoryBackend
from fleche_like.cache import BudgetedCache, Cache
from fleche_like.cache.account import used_by
from fleche_like.errors import ConfigError, ReadOnlyError
from fleche_like.storage import BackendCallStorage, BackendValueStorage, PerKeyLockMixin
from fleche_like.support.sentinel import MISSING
from fleche_like.testing.caches import CacheSuite, call_of
from tests.cache.budgeted_places import (
    PLACES,
    audit,
    embedded,
    numbers,
)

PATIENCE_S = 60


@pytest.fixture(params=PLACES)
def opened(request, tmp_path):
    with contextlib.ExitStack() as closing:
        yield lambda **budget: closing.enter_context(request.param(tmp_path, **budget))


def test_the_least_recently_used_calls_go_in_their_order(opened):
    cache = opened(max_items=10)
    keys = [cache.save(call_of(n, [n])) for n in range(10)]
    assert numbers(cache) == set(range(10))
    uses = [3, 0, 7]
    assert cache.lookup(keys[3]) == [3]
    assert cache.lookup_many([keys[0]]) == {keys[0]: [0]}
    assert cache.lookup_mapped(keys[7], mmap=True) == [7]
    order = [n for n in range(10) if n not in uses] + uses
    for step, gone in enumerate(order):
        cache.save(call_of(100 + step, step))
        assert numbers(cache) == {*order[step + 1 :], *range(100, 101 + step)}
        assert cache.lookup(keys[gone]) is MISSING
    audit(cache)


def test_uses_from_memory_count(opened):
    cache = opened(max_items=3)
    keys = [cache.save(call_of(n, [n])) for n in range(3)]
    for _ in range(4):
        cache.lookup(keys[0])
    assert cache.memory.get(keys[0]) is not MISSING
    cache.lookup(keys[1])
    cache.lookup(keys[0])
    cache.recall(keys[0])
    cache.save(call_of(3, 3))
    cache.save(call_of(4, 4))
    assert numbers(cache) == {0, 3, 4}


def test_saving_again_is_a_use(opened):
    cache = opened(max_items=2)
    for n in (0, 1, 0, 2):
        cache.save(call_of(n, n))
    assert numbers(cache) == {0, 2}
    audit(cache)


def test_bytes_are_those_that_are_stored_and_equal_values_count_once(opened):
    cache = opened(max_bytes=10**9)
    shared = np.arange(50_000)
    for n in range(4):
        cache.save(fl.Call("f", {"n": n, "data": shared}, result=[n]))
    cache.save(fl.Call("g", {"n": 5}, result=shared))
    assert shared.nbytes < cache.stats().budget_bytes < 1.2 * shared.nbytes
    audit(cache)


def test_values_go_with_the_last_call_that_uses_them(opened):
    cache = opened(max_items=2)
    shared, alone = np.arange(30_000), np.ones(30_000)
    cache.save(fl.Call("f", {"n": 0, "data": shared}, result=alone))
    cache.save(fl.Call("f", {"n": 1, "data": shared}, result=[1]))
    cache.save(call_of(2, 2))
    assert not cache.values.contains(fl.digest(alone))
    np.testing.assert_array_equal(cache.load_value(fl.digest(shared)), shared)
    cache.save(call_of(3, 3))
    assert not cache.values.contains(fl.digest(shared))
    audit(cache)


def test_it_never_holds_more_than_its_bytes(opened):
    bound = 400_000
    cache = opened(max_bytes=bound)
    rng = random.Random(1)
    for n in range(60):
        size = rng.choice([10, 1000, 30_000, 60_000])
        cache.save(call_of(n, rng.randbytes(size)))
        assert cache.stats().budget_bytes <= bound
    audit(cache)
    assert 59 in numbers(cache)


def test_what_is_larger_than_the_budget_goes_alone(opened):
    cache = opened(max_bytes=100_000)
    kept = [cache.save(call_of(n, [n])) for n in range(5)]
    key = cache.save(call_of(9, bytes(200_000)))
    assert not cache.contains(key)
    assert all(map(cache.contains, kept))
    audit(cache)


def test_an_eviction_is_logged_and_counted(tmp_path, caplog):
    with embedded(tmp_path, max_items=1) as cache:
        first = cache.save(call_of(0, bytes(5000)))
        with caplog.at_level(logging.INFO, "fleche_like.cache"):
            cache.save(call_of(1, 1))
        assert first in caplog.text
        stats = cache.stats()
        assert stats.evicted == 1
        assert stats.evicted_bytes > 5000


def timed(number, seconds, size=1000):
    runtime = {"walltime": float(seconds)}
    return fl.Call(
        "f",
        {"n": number},
        result=random.Random(number).randbytes(size),
        metadata={"runtime": runtime},
    )


def test_cost_keeps_what_took_longest_for_its_bytes(opened):
    cache = opened(max_items=4, eviction="cost")
    for number, seconds in enumerate([50, 0.1, 90, 0.2, 70, 60]):
        cache.save(timed(number, seconds))
    assert numbers(cache) == {0, 2, 4, 5}
    audit(cache)


def test_cost_weighs_seconds_against_bytes(opened):
    cache = opened(max_bytes=120_000, eviction="cost")
    cache.save(timed(0, 10, 50_000))
    cache.save(timed(1, 5, 100))
    cache.save(timed(2, 6, 100))
    cache.save(timed(3, 20, 50_000))
    cache.save(timed(4, 20, 50_000))
    assert numbers(cache) == {1, 2, 3, 4}


def test_cost_lets_go_in_the_end_of_what_nobody_uses(opened):
    """Each eviction raises the floor: what was worth much once is overtaken by what is used now."""
    cache = opened(max_items=3, eviction="cost")
    cache.save(timed(0, 10))
    number = 1
    while cache.contains(timed(0, 10).key):
        cache.save(timed(number, 3))
        number += 1
        assert number < 60
    assert number > 4


def test_what_was_not_used_for_too_long_goes(opened):
    cache = opened(max_age=dt.timedelta(hours=1))
    keys = [cache.save(call_of(n, n)) for n in range(4)]
    old = int((time.time() - 7200) * 1e6)
    from fleche_like.cache import uses

    ledger = cache._ledger
    with cache.calls.transaction():
        ledger.lock()
        for key in keys[:3]:
            ledger.put_call(ledger.call(key)._replace(used=old), new=False)
    cache.lookup(keys[1])
    assert uses.now_us() > old
    cache.save(call_of(9, 9))
    assert numbers(cache) == {1, 3, 9}


def test_an_evicted_call_takes_its_account_along(opened):
    cache = opened(max_items=5)
    shared = np.arange(30_000)
    first, second = (
        cache.save(fl.Call("f", {"n": n, "data": shared}, result=[n])) for n in range(2)
    )
    cache.evict(first)
    audit(cache)
    cache.evict(second[:12])
    audit(cache)
    assert cache.stats().budget_bytes == cache.stats().budget_items == 0
    assert cache.stats().evicted == 0


def test_another_result_for_a_call_takes_the_place_of_the_first(opened):
    cache = opened(max_items=5)
    for value in (bytes(50_000), [1], bytes(60_000), [1]):
        cache.save(call_of(1, value))
        audit(cache)


def test_what_is_evicted_without_a_budget_does_not_stand_in_the_way(tmp_path):
    with embedded(tmp_path, max_items=3) as cache:
        keys = [cache.save(call_of(n, n)) for n in range(3)]
        with embedded(tmp_path) as plain:
            plain.evict(keys[0])
        cache.save(call_of(3, 3))
        cache.save(call_of(4, 4))
        assert numbers(cache) == {2, 3, 4}


def test_a_cache_without_a_budget_has_no_account(tmp_path):
    plain: Any = embedded(tmp_path)
    with contextlib.closing(plain):
        plain.save(call_of(1, [1]))
        kind: Any = type(plain)
        assert kind is Cache
        assert plain._save_straight is not None
        import sqlalchemy as sa

        from fleche_like.index import models

        for table in (models.budget, models.budget_calls, models.budget_values):
            query = plain.calls.database.prepare(sa.select(sa.func.count()).select_from(table))
            assert plain.calls.database.read_one(query) == (0,)


def test_sources_of_code_are_not_evicted_with_results_that_equal_them(opened):
    cache = opened(max_items=1)
    manifest = fl.cache.Manifest({"part": fl.digest("x")}, lambda: {"part": "the text"})
    code = fl.digest("code")
    call = fl.Call("f", {"n": 0}, "m", None, code)
    cache.commit(cache.prepare(call), "the text", {}, manifest)
    cache.save(call_of(1, 1))
    assert numbers(cache) == {1}
    assert cache.load_value(fl.digest("the text")) == "the text"


@pytest.mark.parametrize(
    "budget",
    [
        {"max_items": -1},
        {"max_bytes": -5},
        {"max_age": -1.0},
        {"max_items": 1, "eviction": "random"},
    ],
    ids=str,
)
def test_senseless_budgets_are_refused(budget):
    with pytest.raises(ConfigError):
        fl.open_cache("memory://", **budget)
    with pytest.raises(ConfigError):
        BudgetedCache(fl.open_cache("memory://"))


def test_caches_that_keep_no_account_are_refused(tmp_path):
    plain = Cache(BackendValueStorage(MemoryBackend()), BackendCallStorage(MemoryBackend()))
    for cache in (plain, fl.CacheStack(fl.open_cache("memory://"))):
        with pytest.raises(ConfigError):
            BudgetedCache(cache, max_items=1)


def test_read_only_it_answers_and_notes_nothing(tmp_path):
    with embedded(tmp_path, max_items=2) as cache:
        key = cache.save(call_of(1, 1))
    with embedded(tmp_path, max_items=2, read_only=True) as cache:
        assert cache.lookup(key) == 1
        assert cache._uses.taken() == {}
        with pytest.raises(ReadOnlyError):
            cache.save(call_of(2, 2))


def test_uses_are_written_down_when_it_is_closed(tmp_path):
    with embedded(tmp_path, max_items=2) as cache:
        keys = [cache.save(call_of(n, n)) for n in range(2)]
        with embedded(tmp_path, max_items=2) as other:
            other.lookup(keys[0])
        cache.save(call_of(2, 2))
        assert numbers(cache) == {0, 2}


def test_uses_that_cannot_be_written_down_are_no_trouble(tmp_path, monkeypatch, caplog):
    from fleche_like.cache import uses

    monkeypatch.setattr(uses, "MOST_NOTED", 1)
    with embedded(tmp_path, max_items=2) as cache:
        key = cache.save(call_of(1, 1))
        monkeypatch.setattr(cache._ledger, "use_calls", _full)
        with caplog.at_level(logging.WARNING):
            assert cache.lookup(key) == 1
        assert "not written down" in caplog.text
        monkeypatch.undo()


def _full(*_):
    raise OSError(28, "no space left on device")


def test_a_failed_save_changes_nothing_in_the_account(opened, monkeypatch):
    cache = opened(max_items=3)
    for n in range(3):
        cache.save(call_of(n, [n]))
    with monkeypatch.context() as patch:
        patch.setattr(cache._ledger, "keep", _full)
        with pytest.raises(OSError, match="no space"):
            cache.save(call_of(3, [3] * 100))
    assert numbers(cache) == {0, 1, 2}
    cache.save(call_of(4, [4]))
    assert numbers(cache) == {1, 2, 4}


def test_a_value_that_goes_between_saving_it_and_its_call_is_saved_again(tmp_path, monkeypatch):
    """Another writer evicts the last call that used a file, after we found the file there."""
    array = np.arange(50_000)
    with embedded(tmp_path, max_items=1) as cache, embedded(tmp_path, max_items=1) as other:
        other.save(fl.Call("f", {"n": 0}, result=array))
        plain = cache._save_values

        def late(call, result, prepared):
            plain(call, result, prepared)
            monkeypatch.undo()
            other.save(call_of(5, 5))  # evicts the other call, and removes the file
            assert not other.values.contains(fl.digest(array))

        monkeypatch.setattr(cache, "_save_values", late)
        key = cache.save(fl.Call("f", {"n": 1}, result=array))
        np.testing.assert_array_equal(cache.lookup(key), array)
        audit(cache)


def test_a_sweep_that_was_killed_is_finished_later(tmp_path, monkeypatch):
    cache = embedded(tmp_path, max_items=1)
    array = np.arange(50_000)
    cache.save(fl.Call("f", {"n": 0}, result=array))
    monkeypatch.setattr(BudgetedCache, "_sweep", lambda _: None)  # as if killed before it
    cache.save(call_of(1, 1))
    assert cache.values.contains(fl.digest(array))
    cache.close()
    monkeypatch.undo()
    with embedded(tmp_path, max_items=1) as cache:
        assert not cache.values.contains(fl.digest(array))
        audit(cache)


def test_a_value_in_a_file_that_is_used_again_before_the_sweep_stays(tmp_path, monkeypatch):
    cache = embedded(tmp_path, max_items=1)
    array = np.arange(50_000)
    cache.save(fl.Call("f", {"n": 0}, result=array))
    with monkeypatch.context() as patch:
        patch.setattr(BudgetedCache, "_sweep", lambda _: None)
        cache.save(call_of(1, 1))
        key = cache.save(fl.Call("f", {"n": 2}, result=array))
    cache._sweep()
    np.testing.assert_array_equal(cache.lookup(key), array)
    audit(cache)
    cache.close()


def _fill(packed: bytes, worker: int, count: int) -> None:
    cache = pickle.loads(packed)
    rng = random.Random(worker)
    for n in range(count):
        number = rng.randrange(60)
        value = bytes([number]) * rng.choice([20, 3000, 50_000])
        cache.save(fl.Call("f", {"n": number, "data": [number % 3] * 50}, result=value))
        cache.lookup(call_of(rng.randrange(60)).key)
        if n % 7 == 6:
            with contextlib.suppress(KeyError):
                cache.evict(fl.Call("f", {"n": number, "data": [number % 3] * 50}).key)
    cache.close()


def test_many_processes_keep_one_account(opened):
    cache = opened(max_items=25, max_bytes=500_000)
    if cache.url == "memory://":
        pytest.skip("a cache in memory is one process's")
    context = multiprocessing.get_context("fork")
    packed = pickle.dumps(cache)
    workers = [context.Process(target=_fill, args=(packed, n, 40)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_S)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    stats = cache.stats()
    assert stats.budget_items <= 25
    assert stats.budget_bytes <= 500_000
    audit(cache)


def test_threads_keep_one_account(opened):
    cache = opened(max_items=10)
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for n in range(15):
                cache.save(call_of((worker * n) % 20, [n] * 30))
                cache.lookup(call_of(n).key)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(numbers(cache)) == 10
    audit(cache)


def _fill_for_ever(packed: bytes, worker: int, go) -> None:
    go.wait(PATIENCE_S)
    _fill(packed, worker, 10**6)


def test_killed_writers_leave_a_sound_account(tmp_path):
    """Whenever SIGKILL comes: every record has its result, and the account is what is stored."""
    cache = embedded(tmp_path, max_items=25, max_bytes=500_000)
    context = multiprocessing.get_context("fork")
    packed = pickle.dumps(cache)
    for turn in range(6):
        go = context.Event()
        writer = context.Process(target=_fill_for_ever, args=(packed, turn, go))
        writer.start()
        go.set()
        threading.Event().wait(0.1 + random.uniform(0, 0.1))
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        for call in cache.query():
            assert call.result is not None
    cache.close()
    with embedded(tmp_path, max_items=25, max_bytes=500_000) as cache:
        cache.save(call_of(100, 1))
        _collect(cache)
        audit(cache)


def _collect(cache) -> None:
    """Remove what a killed writer had put into a file without a record, as `gc` does."""
    used = {digest for call in cache.query() for digest in used_by(call.digested)}
    for digest in [*cache.values.list()]:
        if digest not in used:
            cache.values.evict(digest)


class TestBudgeted(CacheSuite):
    def make(self, tmp_path):
        return embedded(tmp_path, max_items=1000)


class LockedBudgeted(PerKeyLockMixin, BudgetedCache):
    pass


def test_a_lock_composes_with_a_budget(tmp_path):
    with LockedBudgeted(embedded(tmp_path), max_items=2) as cache:
        for n in range(5):
            cache.save(call_of(n, n))
        assert numbers(cache) == {3, 4}


def test_a_budgeted_top_bounds_what_a_stack_copies(tmp_path):
    far = fl.open_cache(tmp_path / "far")
    keys = [far.save(call_of(n, [n])) for n in range(10)]
    near = fl.open_cache(tmp_path / "near", max_items=3)
    with fl.CacheStack(near, far) as stack:
        assert [stack.lookup(key) for key in keys] == [[n] for n in range(10)]
        assert numbers(near) == {7, 8, 9}
        assert stack.stats().evicted == 7
