"""The faults strike when and where they are told to, and nowhere else."""

from __future__ import annotations

import errno
import pickle
import threading
import time

import pytest

from fleche_like.backends import (
    DatabaseBackend,
    LocalBackend,
    MemoryBackend,
    SupportsMap,
    SupportsTransaction,
)
from fleche_like.calls import QueryCall
from fleche_like.database import Database, Prepared
from fleche_like.errors import BackendUnavailable, DatabaseError, KeyNotFound, WriteConflict
from fleche_like.index import SqlCallStorage
from fleche_like.testing.backends import ByteBackendConformance
from fleche_like.testing.call_storage import CallStorageSuite, call_of
from fleche_like.testing.faults import (
    Delayed,
    Fails,
    Fault,
    Faults,
    FaultyBackend,
    FaultyCallStorage,
    Kind,
    Torn,
    inject,
)
from tests.index.databases import DIALECTS, empty


class TestFilesWithoutFaults(ByteBackendConformance):
    machine_examples = 5
    many_keys = 50

    def make(self, folder):
        return FaultyBackend(LocalBackend(folder / "root"), Faults())


class TestCallsWithoutFaults(CallStorageSuite):
    def make(self, tmp_path):
        return FaultyCallStorage(SqlCallStorage(f"sqlite:///{tmp_path}/index.db"), Faults())


class TestStatementsWithoutFaults(CallStorageSuite):
    def make(self, tmp_path):
        database = Database(tmp_path / "index.db")
        inject(database, Faults())
        storage = SqlCallStorage(database)
        storage._owned = True  # to be closed with the storage
        return storage


def backend(*faults, seed=0):
    return FaultyBackend(MemoryBackend(), Faults(*faults, seed=seed))


# --- when ---------------------------------------------------------------------------------------


def struck(place, count, act):
    """Do something so many times; return the numbers of the times that failed."""
    failed = []
    for number in range(1, count + 1):
        try:
            act(place, number)
        except OSError:
            failed.append(number)
    return failed


def put(place, number):
    place.put_bytes(f"k/{number}", b"data")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(Fails()), [1]),
        (Fault(Fails(), at=3), [3]),
        (Fault(Fails(), at=3, times=2), [3, 4]),
        (Fault(Fails(), at=3, times=None), [3, 4, 5]),
        (Fault(Fails(), operations={"get_bytes"}), []),
        (Fault(Fails(), operations=["put_bytes"], at=2), [2]),
        (Fault(Fails(), keys="k/4"), [4]),
        (Fault(Fails(), keys="k/[24]", at=2), [4]),
        (Fault(Fails(), keys="K/*", times=None), []),
    ],
)
def test_a_fault_strikes_at_its_operations(fault, expected):
    assert struck(backend(fault), 5, put) == expected


def test_chances_are_the_same_with_the_same_seed():
    fault = Fault(Fails(), times=None, chance=0.5)
    runs = [struck(backend(fault, seed=seed), 40, put) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert 5 < len(runs[0]) < 35


def test_operations_are_counted_together_and_remembered():
    faults = Faults()
    first, second = (FaultyBackend(MemoryBackend(), faults) for _ in range(2))
    first.put_bytes("a", b"1")
    second.exists("b")
    assert faults.count == 2
    assert list(faults.seen) == [("put_bytes", "a"), ("exists", "b")]


def test_another_plan_counts_anew_and_a_stopped_one_not_at_all():
    place = backend(Fault(Fails(), times=None))
    assert struck(place, 2, put) == [1, 2]
    place.faults.plan(Fault(Fails(), at=2))
    assert struck(place, 3, put) == [2]
    place.faults.stop()
    assert struck(place, 3, put) == []
    assert (place.faults.count, place.faults.struck) == (3, 1)


def test_a_copy_has_the_plan_and_counts_by_itself(tmp_path):
    original = FaultyBackend(LocalBackend(tmp_path), Faults(Fault(Fails("no room"), at=2)))
    original.exists("x")
    copy = pickle.loads(pickle.dumps(original))
    assert struck(copy, 3, put) == [2]
    assert original.faults.count == 1


def test_threads_strike_just_once():
    place = backend(Fault(Fails(), at=50))
    failed = []
    workers = [
        threading.Thread(target=lambda: failed.extend(struck(place, 25, put))) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(failed) == 1
    assert place.faults.count == 100


# --- what ---------------------------------------------------------------------------------------


def test_errors_are_those_of_the_place():
    kinds: dict[Kind, type[Exception]] = {
        "no room": OSError,
        "lost": BackendUnavailable,
        "conflict": WriteConflict,
    }
    for kind, error in kinds.items():
        with pytest.raises(error):
            backend(Fault(Fails(kind))).put_bytes("a", b"1")
    with pytest.raises(OSError, match="No space left") as caught:
        backend(Fault(Fails("no room"))).put_bytes("a", b"1")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(KeyboardInterrupt):
        backend(Fault(Fails(KeyboardInterrupt()))).put_bytes("a", b"1")


def test_what_failed_was_not_done_and_what_failed_after_was():
    place = backend(Fault(Fails()), Fault(Fails(), at=2, after=True))
    assert struck(place, 2, put) == [1, 2]
    assert not place.backend.exists("k/1")
    assert place.backend.exists("k/2")


@pytest.mark.parametrize("silent", [False, True])
def test_a_torn_write_leaves_a_part(silent):
    place = backend(Fault(Torn(0.25, silent=silent)))
    assert struck(place, 1, put) == ([] if silent else [1])
    assert place.backend.get_bytes("k/1") == b"d"


def test_parts_and_appends_are_torn_as_a_whole(tmp_path):
    files = LocalBackend(tmp_path)
    torn = FaultyBackend(files, Faults(Fault(Torn(silent=True), times=None)))
    torn.put_parts("a", (b"12", memoryview(b"3456")))
    assert files.get_bytes("a") == b"123"
    torn.append_bytes("a", b"xy")
    assert files.get_bytes("a") == b"123x"


def test_what_cannot_be_torn_fails():
    place = backend(Fault(Torn(silent=True)))
    with pytest.raises(OSError, match="Input/output"):
        place.exists("a")


def test_a_delay_is_one():
    place = backend(Fault(Delayed(0.05)))
    before = time.monotonic()
    put(place, 1)
    assert time.monotonic() - before >= 0.05
    assert place.exists("k/1")


def test_a_file_that_nobody_gets_is_closed(tmp_path):
    files = LocalBackend(tmp_path)
    files.put_bytes("a", b"1")
    place = FaultyBackend(files, Faults(Fault(Fails(), after=True)))
    with pytest.raises(OSError, match="Input/output"):
        place.open_read("a")  # a warning about it would fail the test


def test_abilities_are_those_of_what_is_wrapped(tmp_path):
    files = FaultyBackend(LocalBackend(tmp_path), Faults())
    blobs = FaultyBackend(DatabaseBackend("sqlite://"), Faults())
    assert isinstance(files, SupportsMap)
    assert not isinstance(blobs, SupportsMap)
    assert isinstance(blobs, SupportsTransaction)
    assert not isinstance(files, SupportsTransaction)
    blobs.close()


# --- calls and statements -----------------------------------------------------------------------


def test_a_call_storage_fails_at_its_operations(tmp_path):
    calls = SqlCallStorage(f"sqlite:///{tmp_path}/index.db")
    key = call_of(2).key
    storage = FaultyCallStorage(
        calls,
        Faults(
            Fault(Fails("no room"), operations=["save"], keys=key),
            Fault(Fails("lost"), operations=["query"]),
            Fault(Fails("failure"), operations=["lookup"], after=True),
        ),
    )
    storage.save(call_of(1))
    with pytest.raises(OSError, match="No space left"):
        storage.save(call_of(2))
    assert not calls.contains(key)
    with pytest.raises(DatabaseError) as caught:
        storage.query(QueryCall())
    assert caught.value.transient
    with pytest.raises(DatabaseError):
        storage.lookup(call_of(1).key)
    assert storage.lookup(call_of(1).key) == call_of(1)
    storage.close()


@pytest.fixture(params=DIALECTS)
def database(request, tmp_path):
    database = Database(empty(request.param, tmp_path), timeout_s=5)
    database.write(Prepared("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    yield database
    database.close()


def rows(database):
    return [n for (n,) in database.read(Prepared("SELECT n FROM t ORDER BY n"))]


def insert_two(database):
    with database.transaction():
        database.write(Prepared("INSERT INTO t VALUES (1)"))
        database.write(Prepared("INSERT INTO t VALUES (2)"))


@pytest.mark.parametrize("kind", ["failure", "no room", "lost", "conflict"])
@pytest.mark.parametrize("n", range(1, 5))
def test_a_statement_that_fails_undoes_its_transaction(database, kind, n):
    """BEGIN, two insertions, COMMIT; a lost connection is replaced as long as nothing was done."""
    faults = Faults(Fault(Fails(kind), at=n))
    inject(database, faults)
    begins_anew = kind == "lost" and n == 1
    if begins_anew:
        insert_two(database)
    else:
        with pytest.raises(
            OSError, match=r"injected|lost|closed|terminat|No space|consuming|gone away"
        ):
            insert_two(database)
    assert rows(database) == ([1, 2] if begins_anew else [])
    insert_two(database) if not begins_anew else None
    assert rows(database) == [1, 2]


def test_a_commit_whose_answer_is_lost_was_done(database):
    inject(database, Faults(Fault(Fails("lost"), operations={"COMMIT"}, after=True)))
    with pytest.raises(DatabaseError):
        insert_two(database)
    assert rows(database) == [1, 2]


def test_a_conflict_passes_when_it_is_tried_again(database):
    inject(database, Faults(Fault(Fails("conflict"), operations={"COMMIT"})))
    if database.dialect == "sqlite":  # where a writer that got in has nobody to conflict with
        with pytest.raises(DatabaseError):
            database.retrying(lambda: database.write(Prepared("INSERT INTO t VALUES (1)")))
        return
    database.retrying(lambda: database.write(Prepared("INSERT INTO t VALUES (1)")))
    assert rows(database) == [1]


def test_a_connection_that_cannot_be_had_is_an_error_of_ours(tmp_path):
    database = Database(tmp_path / "new.db")
    inject(database, Faults(Fault(Fails("lost"), operations={"connect"})))
    with pytest.raises(DatabaseError):
        database.read(Prepared("SELECT 1"))
    assert database.read(Prepared("SELECT 1")) == [(1,)]
    database.close()


def test_a_missing_key_stays_one():
    with pytest.raises(KeyNotFound):
        backend().get_bytes("nowhere")
