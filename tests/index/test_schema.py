"""Opening, upgrading and refusing databases."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from fleche_like.backends import DatabaseBackend
from fleche_like.calls import QueryCall
from fleche_like.database import Database
from fleche_like.errors import DatabaseDamaged, DatabaseError, SchemaOutdated, SchemaTooNew
from fleche_like.index import (
    SqlCallStorage,
    check,
    current,
    downgrade,
    history,
    migrations_path,
    schema,
    upgrade,
)
from fleche_like.index.models import REVISION
from fleche_like.storage.layout import CALLS, path
from fleche_like.storage.records import open_record
from tests.index.children import call_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/index.db"


def test_a_fresh_file_gets_the_schema_of_the_models(url):
    SqlCallStorage(url).close()
    assert current(url) == REVISION
    assert check(url) == []


def test_the_difference_between_models_and_a_database_is_seen(url):
    storage = SqlCallStorage(url)
    storage.database.write(storage.database.prepare(sa.text("DROP INDEX ix_calls_function")))
    assert len(check(storage.database)) == 1
    storage.close()


def test_the_revision_we_need_is_the_last_one(url):
    revisions = [revision for revision, _ in history()]
    assert revisions == list(schema.KNOWN)
    assert revisions[-1] == REVISION


def test_a_current_file_is_opened_without_alembic(url):
    SqlCallStorage(url).close()
    code = (
        "import sys; from fleche_like.index import SqlCallStorage;"
        f"SqlCallStorage({url!r}).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_file_of_length_zero_is_fresh(url, tmp_path):
    (tmp_path / "index.db").touch()
    SqlCallStorage(url).close()
    assert current(url) == REVISION


def test_what_is_no_database_is_left_alone(url, tmp_path):
    garbage = b"these are somebody's notes, not a database" * 100
    (tmp_path / "index.db").write_bytes(garbage)
    with pytest.raises(DatabaseDamaged):
        SqlCallStorage(url)
    assert (tmp_path / "index.db").read_bytes() == garbage


def test_a_folder_in_place_of_the_file_is_an_error(url, tmp_path):
    (tmp_path / "index.db").mkdir()
    with pytest.raises(DatabaseError):
        SqlCallStorage(url)


def test_blobs_that_were_there_before_the_index_stay(url):
    backend = DatabaseBackend(url)
    backend.put_bytes("k", b"kept")
    storage = SqlCallStorage(url)
    assert backend.get_bytes("k") == b"kept"
    assert check(storage.database) == []
    backend.close()
    storage.close()


def test_a_newer_schema_is_refused_with_both_versions(url):
    SqlCallStorage(url).close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as plain:
        plain.execute("UPDATE fleche_like_version SET version_num = '9999'")
    plain.close()
    for act in (SqlCallStorage, upgrade, lambda url: downgrade(url, "base")):
        with pytest.raises(SchemaTooNew, match=f"9999.*{REVISION}"):
            act(url)


def test_a_read_only_open_upgrades_nothing_and_says_what_to_run(url, tmp_path):
    sqlite3.connect(tmp_path / "index.db").close()
    (tmp_path / "index.db").touch()
    with pytest.raises(SchemaOutdated, match="fleche-like db upgrade --cache"):
        SqlCallStorage(url, read_only=True)
    assert (tmp_path / "index.db").stat().st_size == 0


def older(url, monkeypatch):
    """Make the file's revision count as older: as if there were one more by now."""
    storage = SqlCallStorage(url)
    storage.save(call_of(1))
    storage.close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as plain:
        plain.execute("UPDATE fleche_like_version SET version_num = '0000'")
    plain.close()
    monkeypatch.setattr(schema, "KNOWN", ("0000", REVISION))
    monkeypatch.setattr(schema, "_alembic", _stamped)


def _stamped(action, connection, target):
    assert (action, target) == ("upgrade", "head")
    connection.execute(
        sa.text("UPDATE fleche_like_version SET version_num = :new"), {"new": REVISION}
    )


def test_an_older_file_is_upgraded_and_kept_as_a_backup(url, tmp_path, monkeypatch):
    older(url, monkeypatch)
    storage = SqlCallStorage(url)
    assert storage.load(call_of(1).key) == call_of(1)
    backup = sqlite3.connect(tmp_path / "index.db.0000.backup")
    assert backup.execute("SELECT version_num FROM fleche_like_version").fetchone() == ("0000",)
    assert backup.execute("SELECT count(*) FROM calls").fetchone() == (1,)
    backup.close()
    storage.close()


def test_an_older_file_that_others_have_open_is_left_alone(url, tmp_path, monkeypatch):
    older(url, monkeypatch)
    other = sqlite3.connect(tmp_path / "index.db")
    other.execute("SELECT count(*) FROM calls").fetchone()
    with pytest.raises(SchemaOutdated, match="another process has it open"):
        SqlCallStorage(url)
    other.close()
    SqlCallStorage(url).close()


def test_a_failing_upgrade_leaves_the_file_as_it_was(url, monkeypatch):
    older(url, monkeypatch)

    def failing(action, connection, target):
        connection.execute(sa.text("DROP TABLE manifests"))
        raise ZeroDivisionError

    monkeypatch.setattr(schema, "_alembic", failing)
    with pytest.raises(ZeroDivisionError):
        upgrade(url)
    assert current(url) == "0000"
    database = Database(url)
    assert database.read(database.prepare(sa.text("SELECT count(*) FROM manifests"))) == [(0,)]
    database.close()


@pytest.mark.parametrize("target", [*schema.KNOWN[:-1]])
def test_down_and_up_again_keeps_the_calls(url, target):
    storage = SqlCallStorage(url)
    key = storage.save(call_of(1))
    storage.close()
    downgrade(url, target)
    assert current(url) == target
    upgrade(url)
    storage = SqlCallStorage(url)
    assert storage.lookup(key) == call_of(1)
    assert [call.key for call in storage.query(QueryCall(arguments={"n": 1}))] == [key]
    assert check(storage.database) == []
    storage.close()


def test_what_is_left_of_an_index_is_the_records(url):
    storage = SqlCallStorage(url)
    key = storage.save(call_of(1))
    storage.close()
    downgrade(url, "base")
    assert current(url) is None
    backend = DatabaseBackend(url)
    assert open_record(backend.get_bytes(path(CALLS, key)), key) == call_of(1)
    backend.close()


@pytest.mark.parametrize("how", ["-x", "environment", "default"])
def test_alembic_upgrades_from_the_root(url, tmp_path, how):
    arguments = ["-x", f"url={url}"] if how == "-x" else []
    environment = dict(os.environ) | ({"FLECHE_LIKE_URL": url} if how == "environment" else {})
    command = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), *arguments]
    environment["PYTHONPATH"] = str(ROOT)
    for action in (["upgrade", "head"], ["check"]):
        subprocess.run([*command, *action], check=True, cwd=tmp_path, env=environment)
    if how == "default":
        url = f"sqlite:///{tmp_path}/.fleche-like/index.db"
    assert check(url) == []
    SqlCallStorage(url).close()


def test_revisions_import_nothing_of_the_package():
    for script in (migrations_path() / "versions").glob("*.py"):
        assert "fleche_like" not in script.read_text().replace("fleche_like_version", "")
