"""Many processes, forks and sudden death on one database file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from fleche_like.calls import QueryCall, Selection
from fleche_like.errors import DatabaseError
from fleche_like.index import SqlCallStorage, check
from fleche_like.index.calls import _NO_VALUES as NO_VALUES
from fleche_like.index.late import MOST_LATE
from tests.index.children import call_of


def start(*args, **options):
    command = [sys.executable, "-m", "tests.index.children", *map(str, args)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def finish(children):
    failures = [error for child in children if (error := child.communicate(timeout=240)[1])]
    assert failures == []
    assert [child.returncode for child in children] == [0] * len(children)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/fresh/index.db"


def test_two_dozen_processes_open_a_fresh_folder_at_once(url):
    finish([start("open_and_save", url, number) for number in range(24)])
    storage = SqlCallStorage(url)
    assert len(list(storage.list())) == 24
    assert check(storage.database) == []
    storage.close()


def test_eight_processes_write_one_file_and_lose_nothing(url):
    finish([start("save_many", url, number * 1000, 40) for number in range(8)])
    storage = SqlCallStorage(url)
    keys = set(storage.list())
    assert keys == {
        call_of(number * 1000 + step).key for number in range(8) for step in range(40)
    } | {call_of(-1).key}
    assert len(list(storage.query(QueryCall()))) == 321
    assert storage.generation() > 0
    storage.close()


def test_a_process_that_is_killed_leaves_no_record_without_rows(url):
    for attempt in range(4):
        child = start("save_for_ever", url, attempt * 100_000, stdout=subprocess.PIPE)
        assert child.stdout.readline() == "open\n"
        time.sleep(0.05 + attempt * 0.03)
        child.kill()
        child.communicate()
    storage = SqlCallStorage(url)
    plain = sqlite3.connect(str(storage.database.path))
    count = lambda query: plain.execute(query).fetchone()[0]  # noqa: E731
    calls = count("SELECT count(*) FROM calls")
    assert calls > 0
    assert count("PRAGMA integrity_check") == "ok"
    assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    assert count("SELECT count(*) FROM calls WHERE record IS NULL") == 0
    late = count("SELECT count(*) FROM calls WHERE kind < 0")
    assert late < 2 * MOST_LATE
    assert count("SELECT count(*) FROM arguments") == 2 * (calls - late)
    assert count("SELECT count(*) FROM metadata") == calls - late
    # Whoever comes next finds them all the same, and indexes them.
    found = [call.key for call in storage.query(QueryCall(name="train"))]
    assert set(found) == set(storage.list())
    assert len(found) == storage.count(Selection(QueryCall(name="train")), NO_VALUES) == calls
    storage.save(call_of(-1, step=-1))
    storage.close()
    assert count("SELECT count(*) FROM calls WHERE kind < 0") == 0
    assert count("SELECT count(*) FROM arguments") == 2 * (calls + 1)
    assert count("SELECT count(*) FROM metadata") == calls + 1
    assert all(storage.load(key).key == key for key in storage.list())
    plain.close()
    storage.close()


def in_child(action):
    """Run an action in a forked child; return whether it said yes."""
    process = os.fork()
    if process == 0:
        signal.alarm(60)
        try:
            os._exit(0 if action() else 1)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_forked_child_and_its_parent_both_go_on(url):
    storage = SqlCallStorage(url)
    storage.save(call_of(1))

    def child():
        storage.save(call_of(2))
        return storage.contains(call_of(1).key)

    assert in_child(child)
    storage.save(call_of(3))
    assert len(list(storage.list())) == 3
    storage.close()


def test_a_fork_waits_for_a_thread_that_is_writing(url):
    storage = SqlCallStorage(url)
    writing = threading.Event()

    def write():
        with storage.transaction():
            storage.save(call_of(1))
            writing.set()
            time.sleep(0.3)

    thread = threading.Thread(target=write)
    thread.start()
    writing.wait()

    def child():
        storage.save(call_of(2))
        return storage.contains(call_of(1).key)

    assert in_child(child)
    thread.join()
    assert len(list(storage.list())) == 2
    storage.close()


def test_a_fork_inside_ones_own_transaction_leaves_the_child_a_clear_error(url):
    storage = SqlCallStorage(url)

    def child():
        with pytest.raises(DatabaseError, match="forked"):
            storage.contains(call_of(1).key)
        return True

    with storage.transaction():
        storage.save(call_of(1))
        assert in_child(child)
    assert storage.contains(call_of(1).key)
    storage.close()


def test_a_fork_in_the_middle_of_a_query_leaves_both_sides_whole(url):
    storage = SqlCallStorage(url)
    storage.save_many(call_of(number) for number in range(1500))
    found = storage.query(QueryCall())
    next(found)

    def child():
        storage.save(call_of(5000))
        return len(list(storage.list())) == 1501

    assert in_child(child)
    assert len(list(found)) == 1499
    storage.close()


def test_a_database_in_memory_is_copied_into_the_child():
    storage = SqlCallStorage("sqlite://")
    storage.save(call_of(1))
    assert in_child(lambda: storage.contains(call_of(1).key))
    storage.save(call_of(2))
    assert len(list(storage.list())) == 2
    storage.close()


def test_a_thousand_threads_load_one_key(url):
    storage = SqlCallStorage(url)
    key = storage.save(call_of(1))
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(storage.load(key).key)) for _ in range(1000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [key] * 1000
    storage.close()
