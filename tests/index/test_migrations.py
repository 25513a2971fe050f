"""The frozen databases of every revision: upgraded, queried, downgraded, killed, refused."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import pyfiles as files

from fleche_like.calls import QueryCall, Selection, arg, meta
from fleche_like.database import Database
from fleche_like.errors import DatabaseError, SchemaOutdated, SchemaTooNew
from fleche_like.index import SqlCallStorage, check, current, downgrade, schema, stamp, upgrade
from fleche_like.index.calls import _NO_VALUES as NO_VALUES
from fleche_like.index.models import REVISION
from tests.golden import index as golden
from tests.index.databases import DIALECTS, empty

ROOT = Path(__file__).parents[2]
OLDER = schema.KNOWN[:-1]


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.fixture
def url(dialect, tmp_path):
    return empty(dialect, tmp_path)


def rows(url, text):
    with closing(Database(url)) as database:
        return database.read(database.prepare(sa.text(text)))


def holds_the_golden_calls(url):
    calls = {call.key: call for call in golden.calls()}
    storage = SqlCallStorage(url)
    assert set(storage.list()) == set(calls)
    for key, call in calls.items():
        found = storage.load(key)
        assert (found.key, found.arguments, found.metadata) == (key, call.arguments, call.metadata)
    for number, call in enumerate(golden.calls()):
        template = QueryCall(name="train", arguments={"n": number})
        assert [found.key for found in storage.query(template)] == [call.key]
    selection = Selection(QueryCall(), (arg("x") > 30, meta("step") < 38), (arg("x").asc(),))
    selected = storage.select(selection, NO_VALUES)
    assert [call.key for call in selected] == [call.key for call in golden.calls()[31:38]]
    assert len(storage.manifest(golden.calls()[0].key)) == 2
    storage.close()
    assert check(url) == []


def test_every_revision_is_frozen_on_every_database(dialect):
    for revision in schema.KNOWN:
        assert golden.frozen(dialect, revision).exists(), "run scripts/freeze-index"


@pytest.mark.parametrize("revision", schema.KNOWN)
def test_a_frozen_database_is_upgraded_and_holds_what_it_held(dialect, url, revision):
    golden.load(dialect, revision, url)
    assert current(url) == revision
    upgrade(url)
    assert current(url) == REVISION
    holds_the_golden_calls(url)


def test_usage_is_derived_from_what_is_stored(dialect, url):
    golden.load(dialect, "0001", url)
    with closing(Database(url)) as database:
        ages = database.read(database.prepare(sa.text("SELECT mtime FROM blobs")))
    upgrade(url)
    found = rows(url, "SELECT size, cost, used, kind, record FROM calls ORDER BY id")
    assert len(found) == len(golden.calls())
    earliest, latest = min(ages)[0], max(ages)[0]
    for number, (size, cost, used, kind, record) in enumerate(found):
        assert size == (100 + number if number % 2 else None)
        assert cost == number / 8 or kind < 0  # whose metadata is not in its table yet
        assert int(earliest) <= used <= latest
        assert record is not None
    assert rows(url, "SELECT count(*) FROM blobs WHERE blobs.key LIKE 'calls/%'") == [(0,)]
    assert rows(url, "SELECT count(*) FROM blobs")[0][0] == len(found) // 2


@pytest.mark.parametrize("target", OLDER)
def test_a_downgraded_database_is_what_it_was_and_can_be_upgraded(dialect, url, target):
    golden.load(dialect, schema.KNOWN[-1], url)
    downgrade(url, target)
    assert current(url) == target
    blobs = rows(url, "SELECT count(*) FROM blobs WHERE blobs.key LIKE 'calls/%'")
    assert blobs == [(len(golden.calls()) if target < "0003" else 0,)]
    upgrade(url)
    holds_the_golden_calls(url)


def test_records_without_rows_stay_among_the_blobs(dialect, url):
    golden.load(dialect, "0002", url)
    with closing(Database(url)) as database:
        orphan = sa.text("INSERT INTO blobs VALUES ('calls/aa/bb/aabb', :data, 1.0)")
        database.write(database.prepare(orphan, ("data",)), (b"orphan",))
    upgrade(url)
    found = rows(url, "SELECT data FROM blobs WHERE blobs.key LIKE 'calls/%'")
    assert [bytes(data) for (data,) in found] == [b"orphan"]


def test_batches_take_every_call_once(dialect, url, monkeypatch, caplog):
    golden.load(dialect, "0001", url)
    rows_before = rows(url, "SELECT max(id) FROM calls")[0][0]
    small = small_batches(monkeypatch)
    caplog.set_level("INFO", logger="alembic.runtime.migration")
    upgrade(url)
    assert any(f"of {rows_before} calls" in message for message in caplog.messages)
    assert small
    holds_the_golden_calls(url)


def small_batches(monkeypatch):
    """Make the revisions work in batches of seven."""
    seen = []
    load = files.load_module_py

    def loaded(name, path):
        module = load(name, path)
        if hasattr(module, "BATCH"):
            module.BATCH = 7  # type: ignore[attr-defined]
            seen.append(name)
        return module

    monkeypatch.setattr(files, "load_module_py", loaded)
    return seen


# --- killed ------------------------------------------------------------------------------------


def killed_after(statement, act, *args):
    """Run an action in a child that dies right after a changing statement; whether it ended."""
    process = os.fork()
    if process:
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert status in {0, -signal.SIGKILL}
        return status == 0
    signal.alarm(60)
    count = 0

    def executed(connection, cursor, text, *_):
        nonlocal count
        if text.split()[0].upper() in {"SELECT", "PRAGMA", "SHOW", "DESCRIBE", "SET"}:
            return
        count += 1
        if count == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sa.event.listen(sa.Engine, "after_cursor_execute", executed)
        act(*args)
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def test_an_upgrade_killed_after_any_statement_leaves_no_trace_or_is_resumed(dialect, url):
    golden.load(dialect, "0001", url)
    # A run that resumes does what is left, so that MariaDB is brought on revision by revision.
    targets = schema.KNOWN[1:] if dialect == "mariadb" else ["head"]
    killed = 0
    for target in targets:
        statement = 1
        while not killed_after(statement, upgrade, url, target):
            if dialect != "mariadb":
                assert current(url) == "0001"
                assert rows(url, "SELECT count(*) FROM calls") == [(len(golden.calls()),)]
            statement += 1
            killed += 1
    assert killed > 12
    assert current(url) == REVISION
    holds_the_golden_calls(url)


def test_a_downgrade_killed_after_any_statement_leaves_no_trace_or_is_resumed(dialect, url):
    golden.load(dialect, schema.KNOWN[-1], url)
    targets = schema.KNOWN[-2::-1] if dialect == "mariadb" else ["0001"]
    killed = 0
    for target in targets:
        statement = 1
        while not killed_after(statement, downgrade, url, target):
            if dialect != "mariadb":
                assert current(url) == REVISION
            statement += 1
            killed += 1
    assert killed > 10
    assert current(url) == "0001"
    upgrade(url)
    holds_the_golden_calls(url)


def test_the_first_upgrade_killed_after_any_statement_is_resumed(dialect, url):
    statement = 1
    while not killed_after(statement, upgrade, url):
        statement += 9 if dialect == "mariadb" else 4
    assert statement > 20
    assert check(url) == []
    golden.store(url)
    holds_the_golden_calls(url)


# --- several at once ---------------------------------------------------------------------------

UPGRADE = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from fleche_like.index import upgrade
upgrade(sys.argv[1])
"""


@pytest.mark.parametrize("start", ["fresh", "0001"])
def test_several_processes_that_upgrade_at_once_do_it_once(dialect, url, start):
    if start != "fresh":
        golden.load(dialect, start, url)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(3)
    ]
    outputs = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0] * 3, outputs
    steps = [
        line for output, _ in outputs for line in output.splitlines() if f"-> {REVISION}" in line
    ]
    assert len(steps) == 1
    assert check(url) == []


# --- refused -----------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_on_every_database(dialect, url):
    golden.load(dialect, schema.KNOWN[-1], url)
    with closing(Database(url)) as database:
        newer = sa.text("UPDATE fleche_like_version SET version_num = '9999'")
        database.write(database.prepare(newer))
    for act in (SqlCallStorage, upgrade, lambda url: downgrade(url, "0001")):
        with pytest.raises(SchemaTooNew, match=f"9999.*{REVISION}"):
            act(url)


def test_an_older_schema_on_a_server_is_its_operators(dialect, url):
    golden.load(dialect, "0001", url)
    if dialect == "sqlite":
        SqlCallStorage(url).close()
        assert current(url) == REVISION
        return
    with pytest.raises(SchemaOutdated, match=f"0001.*{REVISION}.*fleche-like db upgrade"):
        SqlCallStorage(url)
    assert current(url) == "0001"


def test_a_read_only_open_upgrades_nothing(dialect, url):
    golden.load(dialect, "0001", url)
    with pytest.raises(SchemaOutdated):
        SqlCallStorage(url, read_only=True)
    assert current(url) == "0001"


def test_a_stamp_changes_the_revision_and_nothing_else(dialect, url):
    golden.load(dialect, schema.KNOWN[-1], url)
    stamp(url, "0002")
    assert current(url) == "0002"
    stamp(url, "head")
    holds_the_golden_calls(url)


def test_the_backup_is_the_file_as_it_was(tmp_path):
    url = f"sqlite:///{tmp_path}/index.db"
    golden.load("sqlite", "0001", url)
    upgrade(url)
    backup = tmp_path / "index.db.0001.backup"
    with (
        closing(sqlite3.connect(backup)) as copy,
        closing(sqlite3.connect(golden.frozen("sqlite", "0001"))) as frozen,
    ):
        assert list(copy.iterdump()) == list(frozen.iterdump())
    assert not list(tmp_path.glob("*.part"))


def test_without_room_for_a_backup_nothing_is_upgraded(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/index.db"
    golden.load("sqlite", "0001", url)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DatabaseError, match="1,000 are free"):
        upgrade(url)
    assert current(url) == "0001"


@pytest.mark.parametrize("how", ["reading", "connected"])
def test_a_file_that_another_process_has_open_is_not_upgraded(tmp_path, how):
    url = f"sqlite:///{tmp_path}/index.db"
    golden.load("sqlite", "0001", url)
    with closing(sqlite3.connect(tmp_path / "index.db")) as other:
        other.execute("PRAGMA journal_mode = wal")
        other.execute("SELECT 1 FROM calls").fetchone()
        if how == "reading":
            other.execute("BEGIN")
            other.execute("SELECT 1 FROM calls").fetchone()
        with pytest.raises(SchemaOutdated, match="another process has it open"):
            upgrade(url)
    upgrade(url)
    holds_the_golden_calls(url)
