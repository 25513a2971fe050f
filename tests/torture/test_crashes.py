"""Writers are killed at random moments; and what would find it if that did harm, does."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

import fleche_like as fl
from fleche_like.backends import LocalBackend
from fleche_like.index import SqlCallStorage
from fleche_like.storage import BackendValueStorage
from fleche_like.testing.crashes import (
    EmbeddedPlace,
    ServerPlace,
    collecting,
    reindexing,
    torture,
    verifying,
    work,
)
from fleche_like.testing.crashes.oracle import inspect
from fleche_like.testing.crashes.writer import Entry, Journal
from tests import servers
from tests.project.paths import ROOT


def in_folder(folder):
    return EmbeddedPlace(folder / "cache")


def in_files(folder):
    return EmbeddedPlace(folder / "cache", {"inline_bytes": 0})


def on_postgresql(folder):
    return ServerPlace(servers.postgresql_url(), str(folder / "values"))


def on_mariadb(folder):
    return ServerPlace(servers.mariadb_url(), str(folder / "values"))


PLACES = [
    pytest.param(in_folder, 12, id="folder"),
    pytest.param(in_files, 6, id="files"),
    pytest.param(on_postgresql, 3, marks=servers.needs_postgresql, id="postgresql"),
    pytest.param(on_mariadb, 3, marks=servers.needs_mariadb, id="mariadb"),
]


@pytest.mark.parametrize(("make", "kills"), PLACES)
def test_writers_that_are_killed_leave_nothing_broken(make, kills):
    report = torture(make, kills=kills, rounds=3)
    assert report.is_clean, report
    assert report.kills >= kills


def test_maintenance_meanwhile_may_be_killed_too():
    chores = [reindexing, collecting, verifying]
    report = torture(in_folder, kills=10, writers=2, chores=chores, rounds=3)
    assert report.is_clean, report


class TornBackend(LocalBackend):
    """Files that are written where they are read, in two halves: what a put must never do."""

    def put_parts(self, key, parts):
        data = b"".join(parts)
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as file:
            file.write(data[:50])
            time.sleep(0.02)
            file.write(data[50:])


@dataclasses.dataclass(frozen=True)
class CarelessPlace(EmbeddedPlace):
    """A cache that has its records in time, and their results somewhat later."""

    def open(self):
        self.folder.mkdir(exist_ok=True)
        calls = SqlCallStorage(f"sqlite:///{self.folder}/index.db")
        values = BackendValueStorage(TornBackend(self.folder))
        return _RecordFirst(values, calls, memory_bytes=0)


class _RecordFirst(fl.Cache):
    def _save_by_steps(self, call, result, prepared, manifest):
        self.calls.save(call)
        self.values.save(result, call.result)


def test_a_cache_that_stores_records_first_is_found_out():
    report = torture(lambda folder: CarelessPlace(folder / "cache"), kills=90, rounds=3)
    assert report.broken


# --- what finds it ------------------------------------------------------------------------------


@pytest.fixture
def left(tmp_path):
    """A place with some calls, and the journals of who stored them."""
    place, journals = EmbeddedPlace(tmp_path / "cache"), tmp_path / "journals"
    journals.mkdir()
    journal = Journal(journals / "0")
    with place.open() as cache, fl.use_cache(cache):
        for name in work.FUNCTIONS:
            for n in (100, 101):
                journal.note(Entry("begin", name, n))
                work.ask(name, n)
                journal.note(Entry("stored", name, n))
    assert inspect(place, journals) == (12, (), (), (), ())
    return place, journals


def change(place, statement, *params):
    with closing(sqlite3.connect(place.folder / "index.db")) as database:
        assert database.execute(statement, params).rowcount > 0
        database.commit()


def test_a_result_that_is_gone_is_found(left):
    place, journals = left
    change(place, "DELETE FROM blobs WHERE key LIKE 'values/%' AND length(data) BETWEEN 50 AND 400")
    found = inspect(place, journals)
    assert found.broken


def test_a_file_that_is_gone_is_found(left):
    place, journals = left
    file = max(place.folder.glob("values/**/*"), key=lambda path: path.stat().st_size)
    file.unlink()
    assert any("is not there" in each for each in place.broken())
    assert len(inspect(place, journals).broken) == 2


def test_a_file_that_was_changed_is_found(left):
    place, journals = left
    file = max(place.folder.glob("values/**/*"), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert inspect(place, journals).broken


def test_a_wrong_value_is_found(left, monkeypatch):
    place, journals = left
    with place.open() as cache, fl.use_cache(cache):
        monkeypatch.setattr(work.small, "__wrapped__", None)
        call = work.small.call(100)
        cache.save(fl.Call(call.name, call.arguments, call.module, result={"n": 100, "square": 1}))
        monkeypatch.undo()
    assert len(inspect(place, journals).wrong) == 1


def test_a_call_that_is_gone_is_found(left):
    place, journals = left
    with place.open() as cache, fl.use_cache(cache):
        work.scalar.evict(100)
    assert inspect(place, journals).lost == ("scalar(100)",)


def test_an_eviction_that_was_begun_promises_nothing(left):
    place, journals = left
    Journal(journals / "0").note(Entry("evict", "scalar", 100))
    with place.open() as cache, fl.use_cache(cache):
        work.scalar.evict(100)
    assert inspect(place, journals).lost == ()


def test_rows_that_do_not_follow_from_records_are_found(left):
    place, journals = left
    with place.open() as cache:
        cache.calls.close()
    change(place, "DELETE FROM arguments WHERE call = 3")
    assert any("condition" in each for each in inspect(place, journals).broken)


def test_a_damaged_file_is_found(left):
    place, _ = left
    file = place.folder / "index.db"
    data = bytearray(file.read_bytes())
    data[8192:12288] = os.urandom(4096)
    file.write_bytes(data)
    assert [*place.broken()]


# --- the script ---------------------------------------------------------------------------------


SCRIPT = [sys.executable, str(ROOT / "scripts" / "torture_writers.py")]


def script(*arguments):
    command = [*SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_the_script_prints_a_summary_with_its_seed():
    done = script("--kills", 3, "--seed", 7)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("embedded: 3 kills in 1 rounds (")
    assert done.stdout.endswith("0 broken, 0 wrong, 0 lost, 0 stuck; seed 7\n")


def test_the_script_refuses_a_target_that_is_none():
    assert script("--target", "moon").returncode == 2


def test_the_script_can_be_interrupted():
    command = [*SCRIPT, "--kills", "500"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stderr is not None
    assert running.stderr.read(1) == b"\r"
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode != 0
