"""Synchronising two caches: both end up with the same calls, and the later result wins."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime

import pytest

import fleche_like as fl
from fleche_like.calls import QueryCall
from fleche_like.errors import QueryError, ReadOnlyError
from fleche_like.maintenance import bulk, sync
from tests.maintenance.caches import KINDS, call, fill, held, open_kind


@pytest.fixture
def first(tmp_path):
    with open_kind("embedded", tmp_path / "first") as cache:
        yield cache


@pytest.fixture(params=KINDS)
def second(request, tmp_path):
    with open_kind(request.param, tmp_path / "second") as cache:
        yield cache


def at(hour, walltime=1.0):
    return {"started": datetime(2026, 1, 1, hour, tzinfo=UTC), "walltime": walltime}


def test_each_gets_what_only_the_other_has(first, second):
    fill(first, range(6))
    fill(second, range(4, 12))
    union = held(first) | held(second)
    done = sync(first, second)
    assert (done.to_second.copied, done.to_first.copied) == (4, 6)
    assert held(first) == held(second) == union
    again = sync(first, second)
    assert (again.to_second.copied, again.to_first.copied) == (0, 0)


@pytest.mark.parametrize("later", ["first", "second"])
def test_the_later_result_wins_on_both_sides(later, first, second):
    hours = (9, 8) if later == "first" else (8, 9)
    first.save(call(1, result="first", runtime=at(hours[0])))
    second.save(call(1, result="second", runtime=at(hours[1])))
    done = sync(first, second)
    assert first.lookup(call(1).key) == second.lookup(call(1).key) == later
    assert done.to_second.replaced + done.to_first.replaced == 1


def test_it_counts_when_a_call_ended_and_not_when_it_began(first, second):
    first.save(call(1, result="long", runtime=at(8, walltime=7200.0)))
    second.save(call(1, result="short", runtime=at(9)))
    sync(first, second)
    assert second.lookup(call(1).key) == "long"


def test_a_known_time_is_later_than_an_unknown_one(first, second):
    first.save(call(1, result="unknown"))
    second.save(call(1, result="known", runtime=at(8)))
    sync(first, second)
    assert first.lookup(call(1).key) == second.lookup(call(1).key) == "known"


def test_without_times_both_sides_end_up_the_same(first, second):
    for number in range(8):
        first.save(call(number, result=f"first {number}"))
        second.save(call(number, result=f"second {number}"))
    sync(second, first)
    assert held(first) == held(second)


def test_what_was_evicted_on_one_side_comes_back(first, second):
    fill(first, range(3))
    sync(first, second)
    second.evict(call(1).key)
    assert sync(first, second).to_second.copied == 1
    assert second.contains(call(1).key)


def test_a_template_selects_on_both_sides(first, second):
    fill(first, [1, 2])
    fill(second, [3])
    sync(first, second, QueryCall(arguments={"number": 3}))
    assert len(held(first)) == 3
    assert len(held(second)) == 1
    with pytest.raises(QueryError):
        sync(first, second, first.query())


def test_a_dry_run_changes_neither(first, second):
    fill(first, [1])
    fill(second, [2])
    done = sync(first, second, dry_run=True)
    assert (done.to_second.copied, done.to_first.copied) == (1, 1)
    assert len(held(first)) == len(held(second)) == 1


def test_read_only_caches_are_refused(first, tmp_path):
    fill(first, [1])
    open_kind("embedded", tmp_path / "other").close()
    with fl.open_cache(tmp_path / "other" / "embedded", read_only=True) as locked:
        with pytest.raises(ReadOnlyError):
            sync(first, locked)
        with pytest.raises(ReadOnlyError):
            sync(locked, first)


def test_a_killed_synchronisation_goes_on(tmp_path, monkeypatch):
    with open_kind("embedded", tmp_path / "a") as a, open_kind("embedded", tmp_path / "b") as b:
        fill(a, range(9))
        fill(b, range(6, 20))
        union = held(a) | held(b)
    process = os.fork()
    if not process:
        try:
            _killed_in_the_middle(tmp_path)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    with open_kind("embedded", tmp_path / "a") as a, open_kind("embedded", tmp_path / "b") as b:
        assert set(held(a)) | set(held(b)) == set(union)
        sync(a, b)
        assert held(a) == held(b) == union


def _killed_in_the_middle(folder):
    signal.alarm(100)
    bulk.in_batches.__defaults__ = (2,)
    with open_kind("embedded", folder / "a") as a, open_kind("embedded", folder / "b") as b:
        save, saved = a.calls.save_many, []

        def save_many(*args):
            save(*args)
            saved.append(1)
            if len(saved) == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        a.calls.save_many = save_many
        sync(a, b)
