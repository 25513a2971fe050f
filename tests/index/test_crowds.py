"""Many processes and threads on one index, on each database; connections that are killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa

from fleche_like.backends.database import DatabaseBackend
from fleche_like.calls import QueryCall
from fleche_like.database import Database
from fleche_like.errors import DatabaseError
from fleche_like.index import SqlCallStorage
from fleche_like.testing.call_storage import call_of
from tests.index.crowd import COMMON, common, own
from tests.index.databases import DIALECTS, empty

PROCESSES, ROUNDS = 3, 8


@pytest.fixture(params=DIALECTS)
def url(request, tmp_path):
    return empty(request.param, tmp_path)


@pytest.fixture(params=DIALECTS[1:])
def server_url(request, tmp_path):
    return empty(request.param, tmp_path)


def test_a_crowd_loses_nothing_and_fails_in_nothing(url):
    SqlCallStorage(url).close()
    command = [sys.executable, "-m", "tests.index.crowd", url]
    children = [
        subprocess.Popen([*command, str(worker), str(ROUNDS)], stderr=subprocess.PIPE, text=True)
        for worker in range(PROCESSES)
    ]
    errors = [child.communicate(timeout=240)[1] for child in children]
    assert [error for error in errors if error] == []
    storage = SqlCallStorage(url)
    expected = {
        own(f"{worker}.{thread}", number).key
        for worker in range(PROCESSES)
        for thread in range(2)
        for number in range(ROUNDS)
    }
    shared = {common(number, 0).key for number in range(COMMON)}
    keys = set(storage.list())
    assert expected <= keys <= expected | shared
    found = {call.key for call in storage.query(QueryCall())}
    assert found == keys
    for call in storage.query(QueryCall(name="common")):
        storage.save(call)  # whoever was last: record and rows belong to one and the same save
        template = QueryCall(name="common", metadata={"writer": call.metadata["writer"]})
        assert call.key in {other.key for other in storage.query(template)}
    names = storage.database.read(storage.database.prepare(sa.text("SELECT name FROM names")))
    assert len(names) == len(set(names))
    storage.close()


def kill_all(url):
    """End every session of a database but the one that asks."""
    database = Database(url)
    if database.dialect == "postgresql":
        schema = url.rpartition("test_")[2]
        # Sessions of this test alone: they are known by what they set when they were opened.
        find = (
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND"
            f" application_name = 't{schema}'"
        )
        kill = "SELECT pg_terminate_backend({})"
    else:
        find = (
            "SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND"
            f" db = '{database.name}'"
        )
        kill = "KILL {}"
    for (number,) in database.read(database.prepare(sa.text(find))):
        try:
            database.read(database.prepare(sa.text(kill.format(number))))
        except DatabaseError:
            continue  # it has ended meanwhile
    database.close()


def named(url):
    """Return a URL whose sessions can be told from those of other tests."""
    if not url.startswith("postgresql"):
        return url
    return f"{url}&application_name=t{url.rpartition('test_')[2]}"


def test_whatever_is_killed_is_tried_again(server_url):
    url = named(server_url)
    storage = SqlCallStorage(url)
    stop, failures, saved = threading.Event(), [], []

    def work(worker):
        try:
            number = 0
            while not stop.is_set() or number < 20:
                saved.append(storage.save(call_of(f"{worker}.{number}")))
                assert storage.contains(saved[-1])
                storage.load(saved[-1])
                number += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        time.sleep(0.15)
        kill_all(server_url)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(storage.list()) == set(saved)
    for call in storage.query(QueryCall()):
        assert len(call.arguments) == 2
    storage.close()


def test_a_killed_transaction_is_undone_whole_and_says_that_it_may_be_tried_again(server_url):
    storage = SqlCallStorage(named(server_url))
    storage.save(call_of(0))  # its function and names are known from here on

    def killed():
        with storage.transaction():
            storage.save(call_of(1))
            kill_all(server_url)
            storage.save(call_of(2))

    with pytest.raises(DatabaseError) as caught:
        killed()
    assert caught.value.transient
    assert set(storage.list()) == {call_of(0).key}
    storage.close()


def test_an_error_inside_a_transaction_undoes_all_of_it_even_if_it_is_caught(server_url):
    storage = SqlCallStorage(server_url)
    broken = storage.database.prepare(sa.text("INSERT INTO state VALUES ('generation', 1)"))

    def tolerant():
        with storage.transaction():
            storage.save(call_of(1))
            with contextlib.suppress(DatabaseError):
                storage.database.write(broken)

    with pytest.raises(DatabaseError, match="undone"):
        tolerant()
    assert list(storage.list()) == []
    storage.save(call_of(2))
    storage.close()


def test_two_who_lock_each_other_out_both_succeed(server_url):
    database = Database(server_url)
    backend = DatabaseBackend(server_url)
    for name in "ab":
        backend.put_bytes(name, b"0")
    barrier, failures, tries = threading.Barrier(2), [], []

    def work(first, second):
        met: list[int] = []

        def both():
            tries.append(1)
            inside = DatabaseBackend(database)
            inside.put_bytes(first, first.encode())
            if not met:
                met.append(1)
                barrier.wait(10)
            inside.put_bytes(second, first.encode())

        try:
            database.retrying(both)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=order) for order in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(tries) == 3
    assert backend.get_bytes("a") == backend.get_bytes("b")
    backend.close()
    database.close()


def test_waiting_for_a_lock_is_bounded(server_url):
    backend = DatabaseBackend(server_url)
    backend.put_bytes("a", b"0")
    impatient = Database(server_url, timeout_s=1)
    with backend.transaction():
        backend.put_bytes("a", b"1")
        began = time.monotonic()
        with pytest.raises(DatabaseError):
            DatabaseBackend(impatient).put_bytes("a", b"2")
        assert time.monotonic() - began < 10
    assert backend.get_bytes("a") == b"1"
    impatient.close()
    backend.close()


def test_a_stream_holds_only_what_was_fetched(server_url):
    database = Database(server_url)
    many = sa.text("SELECT repeat('x', 1000), seq FROM seq_1_to_20000")
    if database.dialect == "postgresql":
        many = sa.text("SELECT repeat('x', 1000), n FROM generate_series(1, 20000) AS s(n)")
    import tracemalloc

    tracemalloc.start()
    rows = database.stream(database.prepare(many))
    assert next(rows)[1] == 1
    assert sum(1 for _ in rows) == 19_999
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000  # of 20 MB
    abandoned = database.stream(database.prepare(many))
    next(abandoned)
    del abandoned
    assert database.read_one(database.prepare(sa.text("SELECT 7"))) == (7,)
    database.close()


def test_more_threads_than_connections_insert_names_inside_transactions(server_url):
    storage = SqlCallStorage(Database(server_url, max_connections=2, timeout_s=20))
    failures = []

    def work(worker):
        try:
            with storage.transaction():
                for number in range(4):
                    storage.save(call_of(f"{worker}.{number}", **{f"name{worker}.{number}": 1}))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(storage.list())) == 32
    storage.close()
    storage.database.close()
