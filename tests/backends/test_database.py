"""Blobs in a database: what goes beyond the shipped contract."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from fleche_like.backends import DatabaseBackend
from fleche_like.backends.database import _upsert, blobs
from fleche_like.database import Database
from fleche_like.errors import DatabaseError


@pytest.fixture
def backend(tmp_path: Path):
    made = DatabaseBackend(f"sqlite:///{tmp_path}/blobs.db")
    yield made
    made.close()


def test_a_shared_database_is_neither_changed_nor_closed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/shared.db")
    backend = DatabaseBackend(database)
    with pytest.raises(DatabaseError):
        backend.exists("k")
    database.write(database.prepare(sa.schema.CreateTable(blobs)))
    backend.put_bytes("k", b"1")
    backend.close()
    assert backend.get_bytes("k") == b"1"
    database.close()


def test_blobs_commit_with_what_shares_the_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/shared.db")
    database.write(database.prepare(sa.schema.CreateTable(blobs)))
    backend, other = DatabaseBackend(database), DatabaseBackend(database)

    def interrupted() -> None:
        with database.transaction():
            backend.put_bytes("a", b"1")
            with other.transaction():
                other.put_bytes("b", b"2")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()
    assert list(backend.list_prefix("")) == []
    database.close()


def test_a_pickled_backend_finds_the_same_file(backend: DatabaseBackend) -> None:
    backend.put_bytes("k", b"1")
    copy = pickle.loads(pickle.dumps(backend))
    assert copy.get_bytes("k") == b"1"
    copy.close()


def test_listing_children_does_not_read_what_is_below_them(
    backend: DatabaseBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.put_many((f"c/{n % 3}/{n}", b"") for n in range(9000))
    statements = []
    read = backend.database.read

    def counted(*args):
        statements.append(args)
        return read(*args)

    monkeypatch.setattr(backend.database, "read", counted)
    assert list(backend.list_prefix("c")) == ["c/0/", "c/1/", "c/2/"]
    assert len(statements) <= 4


def test_pages_of_a_listing_join_without_gap_or_repeat(backend: DatabaseBackend) -> None:
    keys = sorted(f"k{n}" for n in range(2000))
    backend.put_many((key, b"") for key in keys)
    assert list(backend.list_prefix("")) == keys
    assert list(backend.list_prefix("", recursive=True)) == keys


def test_prefixes_use_the_primary_key(backend: DatabaseBackend) -> None:
    text = "EXPLAIN QUERY PLAN " + backend._list.text
    with backend.database.engine.connect() as connection:
        plan = connection.exec_driver_sql(text, ("a/", "a0")).fetchall()
    assert len(plan) == 1
    assert "SEARCH blobs USING PRIMARY KEY" in plan[0][3]


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (mysql.dialect(), "ON DUPLICATE KEY UPDATE"),
        (postgresql.dialect(), "ON CONFLICT (key) DO UPDATE"),
    ],
    ids=["mysql", "postgresql"],
)
def test_statements_compile_for_servers(dialect, words: str) -> None:
    name = dialect.name
    assert words in str(_upsert(name).compile(dialect=dialect))
    table = str(sa.schema.CreateTable(blobs).compile(dialect=dialect))
    assert "pk_blobs" in table
    assert ("LONGBLOB" if name == "mysql" else "BYTEA") in table
