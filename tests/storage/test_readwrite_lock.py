"""Readers share a lock, writers have it alone, and whoever waits gets it in the end."""

from __future__ import annotations

import contextlib
import os
import threading
import time

import pytest

from fleche_like.errors import LockUpgradeError
from fleche_like.storage import Intent, ReadWriteLockMixin
from fleche_like.storage.readwrite import ReadWriteLock
from fleche_like.testing.places import fork
from tests.storage.places import DictValues, digests

PATIENCE_S = 30


class Actor:
    """A thread that takes a lock, says so, and lets go when it is told to."""

    def __init__(self, lock: ReadWriteLock, *, shared: bool) -> None:
        self.has_it, self._let_go = threading.Event(), threading.Event()
        self._lock, self._shared = lock, shared
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._lock.held(shared=self._shared):
            self.has_it.set()
            self._let_go.wait(PATIENCE_S)

    def got_it(self) -> bool:
        return self.has_it.wait(PATIENCE_S)

    def end(self) -> None:
        self._let_go.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def queued(lock: ReadWriteLock, count: int) -> None:
    """Wait until so many stand in the queue: an event of the lock's own, no guess at time."""
    deadline = time.monotonic() + PATIENCE_S
    with lock._changed:
        while len(lock._queue) < count:
            assert time.monotonic() < deadline
            # A place is taken under this very lock, just before its owner begins to wait.
            lock._changed.wait(0.001)


def test_readers_hold_it_together():
    lock = ReadWriteLock()
    readers = [Actor(lock, shared=True) for _ in range(4)]
    assert all(reader.got_it() for reader in readers)
    for reader in readers:
        reader.end()


@pytest.mark.parametrize("first", [True, False], ids=["reader first", "writer first"])
def test_a_writer_has_it_alone(first):
    lock = ReadWriteLock()
    one = Actor(lock, shared=first)
    assert one.got_it()
    other = Actor(lock, shared=not first)
    queued(lock, 1)
    assert not other.has_it.is_set()
    one.end()
    assert other.got_it()
    other.end()


def test_a_reader_that_comes_after_a_waiting_writer_waits_for_it():
    """Otherwise a stream of readers would keep the writer out for ever."""
    lock = ReadWriteLock()
    reader = Actor(lock, shared=True)
    assert reader.got_it()
    writer = Actor(lock, shared=False)
    queued(lock, 1)
    late = Actor(lock, shared=True)
    queued(lock, 2)
    assert not late.has_it.is_set()
    reader.end()
    assert writer.got_it()
    assert not late.has_it.is_set()
    writer.end()
    assert late.got_it()
    late.end()


def test_readers_that_wait_behind_a_writer_do_not_starve_under_writers():
    lock = ReadWriteLock()
    writer = Actor(lock, shared=False)
    assert writer.got_it()
    readers = [Actor(lock, shared=True) for _ in range(2)]
    queued(lock, 2)
    second = Actor(lock, shared=False)
    queued(lock, 3)
    writer.end()
    assert all(reader.got_it() for reader in readers)
    assert not second.has_it.is_set()
    for reader in readers:
        reader.end()
    assert second.got_it()
    second.end()


def test_reading_again_does_not_wait_for_a_writer_that_waits():
    lock = ReadWriteLock()
    with lock.held(shared=True):
        writer = Actor(lock, shared=False)
        queued(lock, 1)
        with lock.held(shared=True):
            assert not writer.has_it.is_set()
        assert not writer.has_it.is_set()
    assert writer.got_it()
    writer.end()


def test_a_writer_may_read_and_write_again():
    lock = ReadWriteLock()
    with lock.held(shared=False), lock.held(shared=True), lock.held(shared=False):
        reader = Actor(lock, shared=True)
        queued(lock, 1)
        assert not reader.has_it.is_set()
    assert reader.got_it()
    reader.end()


def test_a_reader_cannot_become_a_writer_and_goes_on_reading():
    lock = ReadWriteLock()
    with lock.held(shared=True):
        with pytest.raises(LockUpgradeError), lock.held(shared=False):
            pass
        writer = Actor(lock, shared=False)
        queued(lock, 1)
        assert not writer.has_it.is_set()
    assert writer.got_it()
    writer.end()


def test_an_interrupted_wait_leaves_no_place_behind(monkeypatch):
    lock = ReadWriteLock()
    reader = Actor(lock, shared=True)
    assert reader.got_it()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(lock._changed, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt), lock.held(shared=False):
        pass
    monkeypatch.undo()
    second = Actor(lock, shared=True)
    assert second.got_it()
    for each in (reader, second):
        each.end()


def test_every_update_counts_and_no_reader_sees_half_of_one():
    lock, pair = ReadWriteLock(), [0, 0]
    torn = []

    def write() -> None:
        for _ in range(300):
            with lock.held(shared=False):
                pair[0] += 1
                threading.Event().wait(0)
                pair[1] += 1

    def read() -> None:
        for _ in range(300):
            with lock.held(shared=True):
                before = pair[0]
                threading.Event().wait(0)
                if before != pair[1]:
                    torn.append(pair[:])

    threads = [threading.Thread(target=work) for work in (write, read) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pair == [900, 900]
    assert torn == []


class Shared(ReadWriteLockMixin, DictValues):
    pass


def test_readers_of_one_key_of_a_storage_do_not_wait_for_each_other():
    storage = Shared()
    key = storage.save("value")
    found = []
    with storage._operation_context(key, intent=Intent.READ):
        thread = threading.Thread(target=lambda: found.append(storage.load(key)), daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
    assert found == ["value"]


def test_a_write_waits_for_a_reader_of_the_storage():
    storage = Shared()
    key = storage.save("value")
    evicted = threading.Event()

    def evict() -> None:
        storage.evict(key)
        evicted.set()

    with storage._operation_context(key, intent=Intent.READ):
        thread = threading.Thread(target=evict, daemon=True)
        thread.start()
        lock = storage.__dict__["_read_write_locks"]._locks[int(key[:4], 16) * 64 >> 16]
        queued(lock, 1)
        assert storage.load(key) == "value"
        assert not evicted.is_set()
    assert evicted.wait(PATIENCE_S)


def test_many_keys_are_read_together_and_written_in_order():
    storage = Shared()
    keys = digests("0123", "4567", "89ab", "cdef")
    for key in keys:
        storage.save(0, key)

    def work(order) -> None:
        for number in range(100):
            storage.shrink(*order)
            with storage._operation_contexts(order, intent=Intent.WRITE):
                storage.put(number, order[0])

    threads = [
        threading.Thread(target=work, args=(order,), daemon=True)
        for order in (keys, keys[::-1], keys[2:] + keys[:2])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)


def test_a_forked_child_finds_the_lock_free_and_may_leave_what_it_was_forked_in():
    storage = Shared()
    key = storage.save("value")
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with storage._operation_context(key):
            held.set()
            let_go.wait(PATIENCE_S)

    other = digests("0000")[0] if not key.startswith("0") else digests("ffff")[0]
    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(PATIENCE_S)
    with contextlib.ExitStack() as context:
        context.enter_context(storage._operation_context(other, intent=Intent.READ))
        child = fork()
        if not child:
            try:
                context.close()
                os._exit(0 if storage.load(key) == "value" else 1)
            finally:
                os._exit(2)
    let_go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
