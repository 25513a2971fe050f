"""Advisory locks of servers: who holds them, and when they go."""

from __future__ import annotations

import itertools
import multiprocessing
import subprocess
import sys
import threading
import time
import uuid

import pytest
import sqlalchemy as sa

from fleche_like.database import AdvisoryLocks, Database
from fleche_like.errors import ConfigError, DatabaseError
from tests.strikes import Strike

KEY = uuid.uuid4().hex

HOLD = """
import os, signal, sys, time
from fleche_like.database import AdvisoryLocks, Database
locks = AdvisoryLocks(Database(sys.argv[1]))
print(locks.try_acquire(sys.argv[2]), flush=True)
if sys.argv[3] == "fork":
    os.fork()
time.sleep(60)
"""


@pytest.fixture
def locks(server_url):
    locks = AdvisoryLocks(Database(server_url))
    yield locks
    locks.close()


def another(server_url, **options):
    return AdvisoryLocks(Database(server_url), **options)


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def holder(server_url, how=""):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, server_url, KEY, how], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "True\n"
    return child


def kill_session(locks, server_url):
    database = Database(server_url)
    connection = locks._connection
    if database.dialect == "postgresql":
        kill = f"SELECT pg_terminate_backend({connection.info.backend_pid})"
    else:
        kill = f"KILL {connection.thread_id()}"
    database.read(database.prepare(sa.text(kill)))
    database.close()


def test_one_at_a_time(locks, server_url):
    other = another(server_url)
    assert locks.try_acquire(KEY)
    assert not other.try_acquire(KEY)
    assert other.try_acquire("00" * 16)
    locks.release(KEY)
    assert other.try_acquire(KEY)
    assert not locks.try_acquire(KEY)
    other.close()
    assert locks.try_acquire(KEY)


def test_a_held_lock_is_refused_to_its_own_process(locks):
    assert locks.try_acquire(KEY)
    assert not locks.try_acquire(KEY)
    locks.release(KEY)
    locks.release(KEY)
    assert locks.try_acquire(KEY)


def test_a_lock_that_is_not_held_is_not_released(locks, server_url):
    other = another(server_url)
    assert locks.try_acquire(KEY)
    other.release(KEY)
    assert not other.try_acquire(KEY)
    other.close()


def test_namespaces_are_apart(locks, server_url):
    other = another(server_url, namespace="other")
    assert locks.try_acquire(KEY)
    assert other.try_acquire(KEY)
    other.close()


def test_any_text_is_a_key(locks, server_url):
    keys = ["", "é" * 300, "a", "A", "a "]
    assert [locks.try_acquire(key) for key in keys] == [True] * 5
    other = another(server_url)
    assert [other.try_acquire(key) for key in keys] == [False] * 5
    other.close()


def test_threads_share_one_connection_and_never_a_lock(locks):
    inside, most, rounds, connections = [], [], [], set()

    def work():
        for _ in range(20):
            while not locks.try_acquire(KEY):
                time.sleep(0.001)
            inside.append(1)
            most.append(len(inside))
            connections.add(id(locks._connection))
            rounds.append(1)
            inside.pop()
            locks.release(KEY)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(rounds), len(connections)) == (1, 160, 1)


def test_the_lock_of_a_killed_process_is_free_again(locks, server_url):
    child = holder(server_url)
    assert not locks.try_acquire(KEY)
    child.kill()
    child.communicate()
    assert eventually(lambda: locks.try_acquire(KEY))


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(locks, server_url):
    child = holder(server_url, "fork")
    assert not locks.try_acquire(KEY)
    child.kill()
    child.wait()
    try:
        assert eventually(lambda: locks.try_acquire(KEY))
    finally:
        child.stdout.close()


def _in_fork(locks, answers):
    answers.put([locks.holds(KEY), locks.try_acquire(KEY), locks.try_acquire("11" * 16)])
    locks.close()


def test_a_forked_child_takes_nothing_from_its_parent(locks, server_url):
    assert locks.try_acquire(KEY)
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    child = fork.Process(target=_in_fork, args=(locks, answers))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert answers.get() == [False, False, True]
    assert locks.holds(KEY)
    other = another(server_url)
    assert not other.try_acquire(KEY)
    other.close()


def test_a_lost_connection_loses_its_locks_and_is_replaced(locks, server_url):
    assert locks.try_acquire(KEY)
    assert locks.holds(KEY)
    kill_session(locks, server_url)
    assert eventually(lambda: not locks.holds(KEY))
    other = another(server_url)
    assert other.try_acquire(KEY)
    assert not locks.try_acquire(KEY)
    other.close()
    assert eventually(lambda: locks.try_acquire(KEY))


def test_a_killed_connection_is_noticed_by_whoever_takes_a_lock_next(locks, server_url):
    assert locks.try_acquire(KEY)
    kill_session(locks, server_url)
    assert eventually(lambda: locks.try_acquire("22" * 16))
    assert not locks.holds(KEY)
    locks.release(KEY)


def test_a_server_that_is_not_there_is_an_error():
    pytest.importorskip("pymysql")
    locks = AdvisoryLocks(Database("mariadb+pymysql://nobody@127.0.0.1:1/x"))
    with pytest.raises(DatabaseError):
        locks.try_acquire(KEY)


def test_a_file_has_none(tmp_path):
    database = Database(tmp_path / "x.db")
    assert not AdvisoryLocks.supported(database)
    with pytest.raises(ConfigError):
        AdvisoryLocks(database)


def test_an_attempt_that_is_interrupted_anywhere_holds_nothing(locks, server_url):
    """Nobody would know of the lock, and this process would keep it until it ends."""
    other = another(server_url)
    locks.try_acquire("the connection is there")
    for at in itertools.count(1):
        strike = Strike(at, ("database/locks",))
        strike.run(lambda: locks.try_acquire(KEY))
        if strike.place is None:
            break
        assert eventually(lambda: other.try_acquire(KEY)), strike.place
        other.release(KEY)
        assert locks.try_acquire(KEY), strike.place
        locks.release(KEY)
    assert at > 3
    locks.release(KEY)
    other.close()
