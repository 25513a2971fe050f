"""Locks that processes see: exclusive, re-entrant, free once their holder is dead."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from pathlib import Path

import pytest

import fleche_like as fl
from fleche_like.backends import DatabaseBackend, LocalBackend, MemoryBackend, TieredBackend
from fleche_like.errors import ConfigError
from fleche_like.index import SqlCallStorage, upgrade
from fleche_like.storage import (
    BackendCallStorage,
    BackendValueStorage,
    InterProcessLockMixin,
    PerKeyLockMixin,
    ReadWriteLockMixin,
)
from fleche_like.testing.places import all_succeeded, fork
from tests.servers import mariadb_url, needs_mariadb, needs_postgresql, postgresql_url
from tests.storage.places import DictValues, digests

PATIENCE_S = 60
KEY, OTHER = digests("abcd", "0123")


class Values(InterProcessLockMixin, BackendValueStorage):
    pass


class Calls(InterProcessLockMixin, BackendCallStorage):
    pass


class SqlCalls(InterProcessLockMixin, SqlCallStorage):
    pass


class Both(ReadWriteLockMixin, InterProcessLockMixin, PerKeyLockMixin, BackendValueStorage):
    pass


class LockedCache(InterProcessLockMixin, fl.Cache):
    pass


def values(folder):
    return Values(LocalBackend(folder))


def calls(folder):
    return Calls(LocalBackend(folder))


def sql(folder):
    return SqlCalls(f"sqlite:///{folder}/index.db")


def both(folder):
    return Both(LocalBackend(folder))


def cache(folder):
    plain = fl.open_cache(folder / "cache", memory_bytes=0)
    return LockedCache(plain.values, plain.calls, folder=plain.folder)


def on_postgresql(folder):
    url = postgresql_url()
    upgrade(url)
    return SqlCalls(url)


def on_mariadb(folder):
    url = mariadb_url()
    upgrade(url)
    return SqlCalls(url)


MAKERS = [
    values,
    calls,
    sql,
    both,
    cache,
    pytest.param(on_postgresql, marks=needs_postgresql),
    pytest.param(on_mariadb, marks=needs_mariadb),
]


@pytest.fixture(params=MAKERS)
def owner(request, tmp_path):
    with contextlib.closing(request.param(tmp_path)) as made:
        yield made


def _add(place: tuple[bytes, Path], _number: int) -> None:
    packed, counter = place
    owner = pickle.loads(packed)
    for _ in range(25):
        with owner._operation_context(KEY):
            seen = int(counter.read_text())
            time.sleep(0.001)  # lets others in, if anything does
            counter.write_text(str(seen + 1))
    owner.close()


def test_processes_exclude_each_other(owner, tmp_path):
    """Without the lock, some process reads a count between another one's reading and writing."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    place = (pickle.dumps(owner), counter)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add, args=(place, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    assert all_succeeded(workers)
    assert counter.read_text() == "75"


def test_threads_exclude_each_other(owner):
    count = [0]

    def add() -> None:
        for _ in range(30):
            with owner._operation_context(KEY):
                seen = count[0]
                threading.Event().wait(0)
                count[0] = seen + 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == [120]


def test_a_thread_may_enter_again_and_through_another_instance(owner):
    twin = pickle.loads(pickle.dumps(owner))
    with owner._operation_context(KEY), owner._operation_context(KEY):
        with twin._operation_contexts([KEY, OTHER]):
            pass
        assert not _free_elsewhere(owner)
    assert _free_elsewhere(owner)
    twin.close()


def _hold(packed: bytes, held, let_go) -> None:
    owner = pickle.loads(packed)
    with owner._operation_context(KEY):
        held.set()
        let_go.wait(PATIENCE_S)


def _take(packed: bytes, taken) -> None:
    owner = pickle.loads(packed)
    with owner._operation_context(KEY):
        taken.set()
    owner.close()


def _free_elsewhere(owner) -> bool:
    """Whether a thread that is no holder could take the lock: asks the file or the server."""
    locks = owner._locks_among_processes()
    found = []

    def ask() -> None:
        number = int(KEY[:4], 16) * 64 >> 16
        name = f"{number:02x}".ljust(32, "0")
        if locks._exclusive.try_acquire(name):
            locks._exclusive.release(name)
            found.append(name)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return bool(found)


def test_a_process_waits_for_another_one_and_takes_over_when_that_is_killed(owner):
    context = multiprocessing.get_context("fork")
    held, taken, never = context.Event(), context.Event(), context.Event()
    packed = pickle.dumps(owner)
    holder = context.Process(target=_hold, args=(packed, held, never))
    holder.start()
    assert held.wait(PATIENCE_S)
    heir = context.Process(target=_take, args=(packed, taken))
    heir.start()
    assert not _free_elsewhere(owner)
    assert not taken.is_set()
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    assert taken.wait(PATIENCE_S)
    for process in (holder, heir):
        process.join(PATIENCE_S)
    assert heir.exitcode == 0


def test_a_forked_child_does_not_hold_what_its_parent_does(owner):
    reading, writing = os.pipe()
    with contextlib.ExitStack() as context:
        context.enter_context(owner._operation_context(KEY))
        child = fork()
        if not child:
            try:
                context.close()  # leaving the parent's context gives nothing of the parent's away
                os.read(reading, 1)
                with owner._operation_context(KEY):
                    os._exit(0)
            finally:
                os._exit(2)
        assert not _free_elsewhere(owner)
    os.write(writing, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for end in (reading, writing):
        os.close(end)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Values(MemoryBackend()),
        lambda: SqlCalls("sqlite://"),
        lambda: LockedCache(DictValues(), BackendCallStorage(MemoryBackend())),
    ],
    ids=["memory", "database in memory", "cache in memory"],
)
def test_what_no_other_process_sees_is_refused(make):
    with pytest.raises(ConfigError, match="no place for locks"):
        make()


def test_what_has_an_init_of_its_own_is_refused_at_its_first_operation():
    class Plain(InterProcessLockMixin, DictValues):
        def __init__(self) -> None:
            DictValues.__init__(self)

    with pytest.raises(ConfigError):
        Plain().save(1)


def test_composite_backends_lock_where_their_first_part_is(tmp_path):
    small = DatabaseBackend(f"sqlite:///{tmp_path}/small.db")
    storage = Values(TieredBackend(small, LocalBackend(tmp_path / "large")))
    storage.save([1])
    assert (tmp_path / "locks-small.db-values").exists()
    storage.close()


def test_calls_values_and_their_cache_lock_apart(tmp_path):
    made = LockedCache(values(tmp_path), calls(tmp_path), folder=tmp_path)
    key = made.save(fl.Call("f", {"x": [1]}, result=[2]))
    assert made.lookup(key) == [2]
    names = {path.name for path in tmp_path.glob("locks-*")}
    assert names == {"locks-cache", "locks-calls", "locks-values"}
    made.close()


def test_what_is_locked_and_closed_leaves_no_file_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for number in range(5):
        storage = values(tmp_path / str(number))
        storage.save(number)
        storage.close()
        del storage
    assert len(os.listdir("/proc/self/fd")) <= before + 1
