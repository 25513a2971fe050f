from __future__ import annotations

import importlib.util
import pickle
import sqlite3
import sys
import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from fleche_like.database import Database
from fleche_like.errors import (
    ConfigError,
    DatabaseDamaged,
    DatabaseError,
    MissingExtra,
    ReadOnlyError,
)

METADATA = sa.MetaData()
THINGS = sa.Table(
    "things",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("label", sa.String(20), nullable=False),
)


class Things:
    """The table under test, through prepared statements."""

    def __init__(self, database: Database, *, create: bool = True) -> None:
        self.database = database
        if create:
            database.write(database.prepare(CreateTable(THINGS, if_not_exists=True)))
        label: Any = sa.bindparam("label")
        number: Any = sa.bindparam("id")
        self.insert = database.prepare(
            sa.insert(THINGS).values(id=number, label=label), ("id", "label")
        )
        self.one = database.prepare(sa.select(THINGS.c.label).where(THINGS.c.id == number), ("id",))
        self.everything = database.prepare(sa.select(THINGS.c.id).order_by(THINGS.c.id))

    def add(self, number: int, label: str = "x") -> None:
        self.database.write(self.insert, (number, label))

    def ids(self) -> list[int]:
        return [number for (number,) in self.database.read(self.everything)]


@pytest.fixture(params=["file", "memory"])
def things(request, tmp_path):
    url = f"sqlite:///{tmp_path}/deep/things.db" if request.param == "file" else "sqlite://"
    database = Database(url, timeout_s=5)
    yield Things(database)
    database.close()


@pytest.fixture
def file_things(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/things.db", timeout_s=5)
    yield Things(database)
    database.close()


def test_parameters_are_given_in_the_callers_order(things):
    things.database.write(
        things.database.prepare(
            sa.insert(THINGS).values(id=sa.bindparam("i"), label=sa.bindparam("l")), ("l", "i")
        ),
        ("first", 1),
    )
    assert things.database.read_one(things.one, (1,)) == ("first",)
    twice = things.database.prepare(
        sa.select(THINGS.c.id).where(
            sa.or_(THINGS.c.label == sa.bindparam("l"), THINGS.c.label > sa.bindparam("l"))
        ),
        ("l",),
    )
    assert things.database.read(twice, ("first",)) == [(1,)]


def test_a_statement_that_holds_its_parameters_keeps_them(things):
    things.add(1, "a")
    things.add(2, "b")
    statement, params = things.database.bound(
        sa.select(THINGS.c.id).where(THINGS.c.label.in_(["b", "c"]), THINGS.c.id > 0)
    )
    assert things.database.read(statement, params) == [(2,)]


def test_an_insertion_tells_the_id_of_its_row_or_that_there_is_none(things):
    label: Any = sa.bindparam("label")
    unlabelled = sa.insert(THINGS).values(label=label).prefix_with("OR IGNORE")
    statement = things.database.prepare(unlabelled, ("label",))
    things.add(41)
    assert things.database.insert(statement, ("a",)) == 42
    with things.database.transaction():
        assert things.database.insert(statement, ("b",)) == 43
        assert things.database.insert(statement, (None,)) is None
        things.add(50)
        assert things.database.insert(statement, (None,)) is None
        assert things.database.insert(statement, ("c",)) == 51
    assert things.ids() == [41, 42, 43, 50, 51]


def test_an_exception_rolls_everything_back(things):
    with pytest.raises(ZeroDivisionError), things.database.transaction():  # noqa: PT012 - the block is the subject
        things.add(1)
        things.database.write_many(things.insert, [(2, "a"), (3, "b")])
        assert things.ids() == [1, 2, 3]
        raise ZeroDivisionError
    assert things.ids() == []
    assert not things.database.in_transaction()


def test_an_inner_block_that_fails_undoes_the_whole_even_if_its_error_is_caught(things):
    def write() -> None:
        with things.database.transaction():
            things.add(1)
            with pytest.raises(ZeroDivisionError), things.database.transaction():  # noqa: PT012 - the block is the subject
                things.add(2)
                raise ZeroDivisionError
            assert things.ids() == [1, 2]

    with pytest.raises(DatabaseError, match="ZeroDivisionError") as caught:
        write()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert things.ids() == []
    things.add(3)
    assert things.ids() == [3]


def test_nothing_is_written_any_more_after_an_inner_block_failed(things):
    def write() -> None:
        with things.database.transaction():
            things.add(1)
            with pytest.raises(ZeroDivisionError), things.database.transaction():
                raise ZeroDivisionError
            with pytest.raises(DatabaseError, match="undone"):
                things.add(2)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write()
    assert things.ids() == []


def test_an_inner_block_that_fails_before_anything_was_written_harms_nobody(things):
    called = []
    with things.database.transaction():
        things.database.after_commit(lambda: called.append("outer"))
        with pytest.raises(ZeroDivisionError), things.database.transaction():  # noqa: PT012 - the block is the subject
            things.database.after_commit(
                lambda: called.append("never"), lambda: called.append("undone")
            )
            raise ZeroDivisionError
        assert called == ["undone"]
        things.add(1)
    assert called == ["undone", "outer"]
    assert things.ids() == [1]


def test_callbacks_run_after_the_commit_and_not_after_a_rollback(things):
    called = []
    things.database.after_commit(lambda: called.append("at once"))
    with things.database.transaction():
        things.add(1)
        things.database.after_commit(lambda: called.append("outer"))
        with things.database.transaction():
            things.database.after_commit(lambda: called.append("inner"))
        assert called == ["at once"]
    assert called == ["at once", "outer", "inner"]
    with pytest.raises(ZeroDivisionError), things.database.transaction():  # noqa: PT012 - the block is the subject
        things.add(2)
        with things.database.transaction():
            things.database.after_commit(
                lambda: called.append("never"), lambda: called.append("undone")
            )
        raise ZeroDivisionError
    assert called == ["at once", "outer", "inner", "undone"]


def test_nothing_is_locked_before_the_first_write(file_things):
    other = sqlite3.connect(str(file_things.database.path), timeout=0)
    with file_things.database.transaction():
        file_things.ids()
        other.execute("INSERT INTO things VALUES (7, 'other')")
        other.commit()
        file_things.add(8)
        with pytest.raises(sqlite3.OperationalError):
            other.execute("INSERT INTO things VALUES (9, 'other')")
    other.close()
    assert file_things.ids() == [7, 8]


def test_other_threads_do_not_see_what_is_not_committed(file_things):
    seen = []
    with file_things.database.transaction():
        file_things.add(1)
        reader = threading.Thread(target=lambda: seen.append(file_things.ids()))
        reader.start()
        reader.join()
    assert seen == [[]]


def test_a_stream_outlives_writes_and_removals_by_its_own_consumer(things):
    things.database.write_many(things.insert, [(n, "x") for n in range(2000)])
    delete = things.database.prepare(
        sa.delete(THINGS).where(THINGS.c.id == sa.bindparam("id")), ("id",)
    )
    seen = []
    for (number,) in things.database.stream(things.everything):
        things.database.write(delete, (number,))
        seen.append(number)
    assert seen == list(range(2000))
    assert things.ids() == []


def test_a_stream_reads_in_bounded_pieces(file_things):
    file_things.database.write_many(file_things.insert, [(n, "x") for n in range(2000)])
    stream = file_things.database.stream(file_things.everything)
    next(stream)
    assert 0 < len(list(stream._batch)) < 1000
    stream.close()
    assert list(stream) == []


def test_more_streams_than_connections_do_not_block_their_thread(file_things):
    file_things.database.write_many(file_things.insert, [(n, "x") for n in range(600)])
    streams = [file_things.database.stream(file_things.everything) for _ in range(60)]
    file_things.add(10_000)
    rows = [next(stream) for stream in streams]
    assert rows == [(0,)] * 60
    assert all(len(list(stream)) == 599 for stream in streams)
    assert len(file_things.database._pool.idle) <= 8


def test_a_thousand_threads_share_eight_connections(file_things, monkeypatch):
    file_things.add(1, "shared")
    database = file_things.database
    connect, one, opened, seen = database._driver.connect, database._one, [], []

    def slow_one(*args):
        time.sleep(0.001)  # so that the threads really need connections at the same time
        return one(*args)

    def counted_connect():
        opened.append(1)
        return connect()

    monkeypatch.setattr(database._driver, "connect", counted_connect)
    monkeypatch.setattr(database, "_one", slow_one)
    threads = [
        threading.Thread(target=lambda: seen.append(database.read_one(file_things.one, (1,))))
        for _ in range(1000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("shared",)] * 1000
    assert 1 < len(opened) <= 7  # and the one that was there


def test_many_threads_write_without_a_lock_error(things):
    def write(start):
        for number in range(start, start + 25):
            with things.database.transaction():
                things.add(number)
                assert things.database.read_one(things.one, (number,)) == ("x",)

    threads = [threading.Thread(target=write, args=(n * 100,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(things.ids()) == 16 * 25


def test_waiting_for_a_writer_is_bounded(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/x.db", timeout_s=0.2)
    things = Things(database)
    other = sqlite3.connect(str(database.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match=r"0\.2 s"):
        things.add(1)
    other.execute("ROLLBACK")
    things.add(1)
    assert things.ids() == [1]
    other.close()
    database.close()


def test_waiting_for_a_thread_that_writes_is_bounded(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/x.db", timeout_s=0.2)
    things = Things(database)
    failures = []

    def write():
        with pytest.raises(DatabaseError, match="another thread") as caught:
            things.add(2)
        failures.append(caught)

    with database.transaction():
        things.add(1)
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(failures) == 1
    assert things.ids() == [1]
    database.close()


def test_a_full_disk_is_an_oserror_and_leaves_nothing_behind(file_things):
    database = file_things.database
    held = database._pool.idle[-1]
    held.execute("PRAGMA max_page_count = 4")
    with pytest.raises(OSError, match="full") as caught:
        database.write_many(file_things.insert, [(n, "x" * 20) for n in range(2000)])
    assert caught.value.errno == 28
    assert file_things.ids() == []
    file_things.add(1)
    assert file_things.ids() == [1]


def test_a_transaction_that_the_database_ended_does_not_go_on_in_pieces(file_things):
    database = file_things.database
    with pytest.raises(DatabaseError), database.transaction():  # noqa: PT012 - the block is the subject
        file_things.add(1)
        database.write(database.prepare(sa.text("ROLLBACK")))
        file_things.add(2)
    assert file_things.ids() == []


def test_a_read_only_database_refuses_to_write(file_things):
    file_things.add(1, "kept")
    database = Database(str(file_things.database.url), read_only=True)
    reader = Things(database, create=False)
    assert database.read_one(reader.one, (1,)) == ("kept",)
    with pytest.raises(ReadOnlyError):
        reader.add(2)
    with pytest.raises(ReadOnlyError), database.transaction():
        reader.add(2)
    database.close()


def test_a_read_only_database_is_not_created(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/x.db", read_only=True)
    with pytest.raises(DatabaseError):
        database.read(database.prepare(sa.text("SELECT 1")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["garbage", "directory", "truncated"])
def test_what_is_no_database_is_refused_with_its_name(file_things, tmp_path, damage):
    file_things.database.write_many(file_things.insert, [(n, "x" * 20) for n in range(5000)])
    file_things.database.close()
    path = tmp_path / f"{damage}.db"
    if damage == "directory":
        path.mkdir()
    elif damage == "garbage":
        path.write_bytes(b"not a database at all" * 500)
    else:
        path.write_bytes(file_things.database.path.read_bytes()[:9000])
    database = Database(f"sqlite:///{path}")
    error = DatabaseError if damage == "directory" else DatabaseDamaged
    with pytest.raises(error, match=str(path)):
        Things(database, create=False).ids()
    database.close()


def test_a_flipped_page_is_damage(file_things, tmp_path):
    file_things.database.write_many(file_things.insert, [(n, "x" * 20) for n in range(5000)])
    file_things.database.close()
    content = bytearray(file_things.database.path.read_bytes())
    content[4096:8192] = bytes(byte ^ 0xFF for byte in content[4096:8192])
    damaged = tmp_path / "flipped.db"
    damaged.write_bytes(content)
    database = Database(f"sqlite:///{damaged}")
    with pytest.raises(DatabaseDamaged):
        Things(database, create=False).ids()
    database.close()


def test_a_new_file_has_the_rights_of_its_folder(tmp_path):
    for mode in (0o700, 0o750, 0o770):
        folder = tmp_path / oct(mode)
        folder.mkdir()
        folder.chmod(mode)
        database = Database(f"sqlite:///{folder}/x.db")
        Things(database)
        assert (folder / "x.db").stat().st_mode & 0o777 == mode & 0o666
        assert (folder / "x.db-wal").stat().st_mode & 0o777 == mode & 0o666
        database.close()


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_durability_decides_what_a_commit_syncs(tmp_path, durability, level):
    database = Database(f"sqlite:///{tmp_path}/{durability}.db", durability=durability)
    assert database.read_one(database.prepare(sa.text("PRAGMA synchronous"))) == (level,)
    assert database.read_one(database.prepare(sa.text("PRAGMA journal_mode"))) == ("wal",)
    database.close()


def test_a_network_file_system_gets_a_rollback_journal(tmp_path, monkeypatch):
    monkeypatch.setattr("fleche_like.database.sqlite.is_network", lambda path: True)
    database = Database(f"sqlite:///{tmp_path}/x.db", timeout_s=1)
    things = Things(database)
    things.database.write_many(things.insert, [(n, "x") for n in range(1000)])
    for (number,) in database.stream(things.everything):
        if number % 100 == 0:
            things.add(number + 5000)
    assert database.read_one(database.prepare(sa.text("PRAGMA journal_mode"))) == ("delete",)
    assert not (tmp_path / "x.db-wal").exists()
    database.close()


def test_a_pickle_carries_the_configuration_and_no_password(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/x.db", timeout_s=3)
    Things(database).add(1)
    twin = pickle.loads(pickle.dumps(database))
    assert Things(twin, create=False).ids() == [1]
    assert twin._timeout_s == 3


def test_a_missing_driver_says_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(MissingExtra, match="postgresql"):
        Database("postgresql+pg8000://host/db")


@pytest.mark.skipif(
    importlib.util.find_spec("psycopg") is None, reason="needs the PostgreSQL driver psycopg"
)
def test_passwords_are_not_shown_and_travel_only_when_told():
    url = "postgresql+psycopg://ann:hunter2@host/db?sslpassword=hunter3&connect_timeout=9"
    database = Database(url)
    assert "hunter" not in repr(database) + database.url
    assert b"hunter" not in pickle.dumps(database)
    assert b"connect_timeout=9" in pickle.dumps(database)
    kept = pickle.dumps(Database(url, keep_secrets=True))
    assert b"hunter2" in kept
    assert b"hunter3" in kept


@pytest.mark.parametrize("url", ["nonsense", "sqlite:///x.db?mode=ro", "nosuch://host/db"])
def test_a_url_that_makes_no_sense_is_refused(url):
    with pytest.raises(ConfigError):
        Database(url)


def test_a_relative_path_is_made_absolute_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///x.db")
    monkeypatch.chdir("/")
    Things(database)
    assert (tmp_path / "x.db").exists()
    database.close()
