"""Transfers: whole calls arrive, whoever interrupts; what cannot go stays and is counted."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.backends import LocalBackend
from fleche_like.cache import Cache
from fleche_like.calls import QueryCall
from fleche_like.codecs import PickleCodec
from fleche_like.errors import ConfigError, QueryError, ReadOnlyError
from fleche_like.maintenance import bulk, transfer
from fleche_like.storage import BackendCallStorage, BackendValueStorage, replicate
from fleche_like.storage.layout import path
from tests.index.databases import DIALECTS, empty
from tests.maintenance.caches import KINDS, LARGE, call, fill, held, open_kind


@pytest.fixture
def source(tmp_path):
    with open_kind("embedded", tmp_path / "source") as cache:
        fill(cache, range(20))
        yield cache


@pytest.fixture(params=KINDS)
def target(request, tmp_path):
    with open_kind(request.param, tmp_path / "target") as cache:
        yield cache


@pytest.fixture
def embedded(tmp_path):
    with open_kind("embedded", tmp_path / "target") as cache:
        yield cache


def test_all_calls_arrive_with_results_and_arguments(source, target):
    done = transfer(source, target)
    assert (done.copied, done.present, done.incomplete) == (20, 0, 0)
    assert held(target) == held(source)
    assert len(held(source)) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_any_cache_is_a_source(kind, tmp_path, embedded):
    with open_kind(kind, tmp_path / "source") as source:
        fill(source, range(7))
        assert transfer(source, embedded).copied == 7
        assert held(embedded) == held(source)


def test_a_second_transfer_writes_nothing(source, target):
    transfer(source, target)
    done = transfer(source, target)
    assert (done.copied, done.present, done.values) == (0, 20, 0)
    assert held(target) == held(source)


def test_batches_make_no_difference(source, target, monkeypatch):
    monkeypatch.setattr(bulk.in_batches, "__defaults__", (3,))
    monkeypatch.setattr(replicate, "FLUSH_BYTES", 1)
    assert transfer(source, target).copied == 20
    assert held(target) == held(source)


def test_a_memoized_function_hits_after_a_transfer(tmp_path, embedded):
    runs = []

    def work(data, rate):
        runs.append(1)
        return {"sum": float(data.sum()) * rate}

    with open_kind("embedded", tmp_path / "first") as first:
        there = fl.memoize(cache=first)(work)
        there(np.arange(10_000), 0.5)
        transfer(first, embedded)
    here = fl.memoize(cache=embedded)(work)
    assert here(np.arange(10_000), 0.5) == {"sum": 24997500.0}
    assert runs == [1]
    (only,) = embedded.query()
    assert only.arguments["data"].sum() == 49995000
    assert "work" in str(here.explain(np.arange(10_000), 0.5))


def test_code_manifests_and_their_sources_arrive(tmp_path, embedded):
    with open_kind("embedded", tmp_path / "first") as first:
        fl.memoize(cache=first)(halved)(4)
        (only,) = first.query()
        transfer(first, embedded)
        parts = dict(first.manifest(only.code))
        assert parts
        assert dict(embedded.manifest(only.code)) == parts
        sources = [digest for part, digest in parts.items() if part.startswith("source ")]
        assert [embedded.load_value(digest) for digest in sources] == [
            first.load_value(digest) for digest in sources
        ]
        assert sources


def halved(number):
    return number / 2


def test_sizes_and_last_use_arrive(source, embedded):
    keys = [each.key for each in source.query()]
    transfer(source, embedded)
    before, after = source.calls.usages(keys), embedded.calls.usages(keys)
    assert {key: used for key, (_, used) in after.items()} == {
        key: used for key, (_, used) in before.items()
    }
    assert all(size > 50 for size, _ in after.values())


def test_the_last_use_is_the_one_of_the_source(source, embedded):
    key = call(5).key
    old = (10, 1_000_000)
    source.calls.evict(key)
    source.calls.save_many([call(5).digested()], {key: old})
    transfer(source, embedded)
    assert embedded.calls.usages([key])[key][1] == 1_000_000


@pytest.mark.parametrize("form", ["query", "template"])
def test_a_selection_alone_is_transferred(form, source, target):
    wanted = {"number": 3}
    chosen = source.query(arguments=wanted) if form == "query" else QueryCall(arguments=wanted)
    assert transfer(source, target, chosen).copied == 1
    assert held(target) == {call(3).key: held(source)[call(3).key]}


def test_conditions_and_limits_select(source, embedded):
    chosen = source.query().where(fl.arg("number") > 4).order_by("-number").limit(3)
    assert transfer(source, embedded, chosen).copied == 3
    assert {each.arguments["number"] for each in embedded.query()} == {17, 18, 19}


def test_a_query_of_another_cache_is_refused(source, embedded):
    with pytest.raises(QueryError):
        transfer(source, embedded, embedded.query())


def test_a_cache_and_itself_are_refused(source, tmp_path):
    with pytest.raises(ConfigError):
        transfer(source, source)
    with open_kind("embedded", tmp_path / "source") as again, pytest.raises(ConfigError):
        transfer(source, again, pop=True)
    assert len(held(source)) == 20


def test_read_only_caches_are_refused_before_anything_is_done(source, embedded, tmp_path):
    with fl.open_cache(tmp_path / "target" / "embedded", read_only=True) as locked:
        with pytest.raises(ReadOnlyError):
            transfer(source, locked)
        with pytest.raises(ReadOnlyError):
            transfer(locked, source, pop=True)
        assert transfer(locked, source).copied == 0


def test_another_result_is_kept_unless_overwritten(source, target):
    key = target.save(call(5, result="theirs"))
    assert target.lookup(key) == "theirs"
    done = transfer(source, target, pop=True)
    assert (done.kept, done.copied, done.popped) == (1, 19, 19)
    assert target.lookup(key) == "theirs"
    assert set(held(source)) == {key}
    done = transfer(source, target, overwrite=True)
    assert (done.kept, done.replaced) == (0, 1)
    assert target.lookup(key) == {"number": 5}


def test_pop_leaves_nothing_behind_that_arrived(source, target):
    before = held(source)
    done = transfer(source, target, source.query().where(fl.arg("number") < 5), pop=True)
    assert (done.copied, done.popped) == (5, 5)
    assert {**held(source), **held(target)} == before
    assert (len(held(source)), len(held(target))) == (15, 5)


def test_pop_of_what_is_there_completes_its_values_first(source, target):
    transfer(source, target)
    before = held(source)
    lost = target.calls.load(call(3).key).result
    target.values.evict(lost)
    assert transfer(source, target, pop=True).popped == 20
    assert target.lookup(call(3).key) == LARGE + b"\3"
    assert held(target) == before


def test_a_call_that_changed_meanwhile_is_not_popped(source, embedded, monkeypatch):
    module = sys.modules[transfer.__module__]
    evict = module.pop_calls

    def changed_before(cache, calls):
        cache.save(call(5, result="newer"))
        return evict(cache, calls)

    monkeypatch.setattr(module, "pop_calls", changed_before)
    assert transfer(source, embedded, pop=True).popped == 19
    assert source.lookup(call(5).key) == "newer"


def test_a_call_without_its_result_stays_where_it_is(source, target):
    source.values.evict(source.calls.load(call(3).key).result)
    done = transfer(source, target, pop=True)
    assert (done.copied, done.incomplete, done.popped) == (19, 1, 19)
    assert not target.contains(call(3).key)
    assert source.contains(call(3).key)


def test_missing_arguments_do_not_keep_a_call(source, target):
    source.values.evict(source.calls.load(call(4).key).arguments["items"])
    assert transfer(source, target).copied == 20
    assert target.lookup(call(4).key) == {"number": 4}


@pytest.mark.parametrize("kind", ["values apart", "no index"])
def test_damaged_bytes_are_not_copied(kind, tmp_path, embedded):
    with open_kind(kind, tmp_path / "source") as source:
        fill(source, range(4))
        result = source.calls.load(call(3).key).result
        where = path("values/", result)
        data = bytearray(source.values.backend.get_bytes(where))
        data[len(data) // 2] ^= 1
        source.values.backend.put_bytes(where, bytes(data))
        done = transfer(source, embedded)
        assert (done.copied, done.incomplete) == (3, 1)
        assert not embedded.values.contains(result)


class Shouting(PickleCodec):
    """Another codec: what it wrote cannot go as it is to one that does not know it."""

    name = "shouting"  # type: ignore[misc]  # final for those who use it


def test_another_codec_takes_the_way_through_values(source, tmp_path):
    backend = LocalBackend(tmp_path / "target")
    target = Cache(BackendValueStorage(backend, Shouting()), BackendCallStorage(backend))
    done = transfer(source, target)
    assert done.copied == 20
    stored = next(key for key in backend.list_prefix("values", recursive=True))
    assert b"shouting" in backend.get_bytes(stored)[:64]


def test_a_dry_run_counts_and_writes_nothing(source, target):
    before = held(source)
    target.save(call(5, result="theirs"))
    done = transfer(source, target, dry_run=True, pop=True, overwrite=True)
    assert (done.copied, done.replaced, done.popped) == (19, 1, 0)
    assert done.values > 0
    assert held(source) == before
    assert target.lookup(call(5).key) == "theirs"
    assert len(held(target)) == 1


def in_a_process(action):
    process = os.fork()
    if process:
        return process
    try:
        signal.alarm(100)
        action()
    finally:
        os._exit(1)


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_moment_loses_nothing(seed, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with open_kind("embedded", first) as source:
        fill(source, range(60))
        before = held(source)

    def run():
        bulk.in_batches.__defaults__ = (2,)
        with open_kind("embedded", first) as source, open_kind("embedded", second) as target:
            (tmp_path / "begun").touch()
            transfer(source, target, pop=True)

    chance, kills = random.Random(seed), 0
    while kills < 4:
        (tmp_path / "begun").unlink(missing_ok=True)
        process = in_a_process(run)
        while not (tmp_path / "begun").exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.03))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        kills += 1
        with open_kind("embedded", first) as source, open_kind("embedded", second) as target:
            assert {**held(source), **held(target)} == before
    with open_kind("embedded", first) as source, open_kind("embedded", second) as target:
        transfer(source, target, pop=True)
        assert held(target) == before
        assert held(source) == {}


def test_a_transfer_and_a_writer_do_not_disturb_each_other(tmp_path, embedded):
    with open_kind("embedded", tmp_path / "source") as source:
        fill(source, range(50))
        writer = in_a_process(lambda: _write_more(tmp_path))
        for _ in range(5):
            transfer(source, embedded)
        assert os.waitpid(writer, 0)[1] != 0
        transfer(source, embedded)
        assert held(embedded) == held(source)
        assert len(held(source)) == 120
    shutil.rmtree(tmp_path / "source")


def _write_more(tmp_path):
    with open_kind("embedded", tmp_path / "source") as source:
        fill(source, range(50, 120))


@pytest.fixture(params=DIALECTS)
def url(request, tmp_path):
    return empty(request.param, tmp_path)


def test_calls_go_to_a_server_and_back(url, source, tmp_path):
    with fl.open_cache(url, values=tmp_path / "values") as server:
        assert transfer(source, server).copied == 20
        assert held(server) == held(source)
        with pytest.raises(ConfigError), fl.open_cache(url) as again:
            transfer(server, again, pop=True)
        with open_kind("embedded", tmp_path / "back") as back:
            assert transfer(server, back, pop=True).popped == 20
            assert held(back) == held(source)
        assert held(server) == {}
