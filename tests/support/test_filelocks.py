"""Locks by digest in a file."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading

import pytest

from fleche_like.support import filelocks
from fleche_like.support.filelocks import FileLocks

KEY, OTHER = "ab" * 16, "cd" * 16

HOLD = """
import sys, time
from fleche_like.support.filelocks import FileLocks
locks = FileLocks(sys.argv[1])
print(*[locks.try_acquire(key) for key in sys.argv[2:]], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leases"


@pytest.fixture
def locks(path):
    opened = FileLocks(path)
    yield opened
    opened.close()


class Elsewhere:
    """Another process that tries to take keys, and keeps those that it got until it is ended."""

    def __init__(self, path, *keys):
        command = [sys.executable, "-c", HOLD, str(path), *keys]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout is not None
        self.got = [word == "True" for word in self.process.stdout.readline().split()]

    def end(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.communicate(timeout=30)


def taken_elsewhere(path, *keys):
    other = Elsewhere(path, *keys)
    other.end()
    return other.got


def test_what_one_process_holds_no_other_gets(locks, path):
    assert locks.try_acquire(KEY)
    assert taken_elsewhere(path, KEY, OTHER) == [False, True]
    locks.release(KEY)
    assert taken_elsewhere(path, KEY) == [True]


def test_a_killed_holder_holds_nothing(locks, path):
    other = Elsewhere(path, KEY)
    assert other.got == [True]
    assert not locks.try_acquire(KEY)
    other.end(signal.SIGKILL)
    assert locks.try_acquire(KEY)


def test_nobody_gets_a_key_twice_in_one_process(locks, path):
    again = FileLocks(path)
    assert locks.try_acquire(KEY)
    assert not locks.try_acquire(KEY)
    assert not again.try_acquire(KEY)
    locks.release(KEY)
    assert again.try_acquire(KEY)
    again.close()


def test_closing_one_instance_drops_no_lock_of_another(locks, path):
    """POSIX drops them all when any descriptor of the file is closed."""
    link = path.with_name("link")
    link.symlink_to(path)
    assert locks.try_acquire(KEY)
    for other_path in path, link:
        other = FileLocks(other_path)
        assert other.try_acquire(OTHER)
        other.release(OTHER)
        other.close()
    del other
    gc.collect()
    assert taken_elsewhere(path, KEY) == [False]


def test_the_last_instance_closes_the_file(path):
    before = os.listdir("/dev/fd")
    instances = [FileLocks(path) for _ in range(5)]
    for each in instances:
        each.try_acquire(KEY)
    assert len(os.listdir("/dev/fd")) == len(before) + 1
    for each in instances:
        each.close()
    assert len(os.listdir("/dev/fd")) == len(before)
    assert taken_elsewhere(path, KEY) == [True]


def test_a_forked_child_holds_nothing_and_releases_nothing(locks, path):
    context = multiprocessing.get_context("fork")
    assert locks.try_acquire(KEY)
    answers = context.SimpleQueue()

    def in_child():
        locks.release(KEY)
        answers.put(locks.try_acquire(KEY))
        locks.close()

    child = context.Process(target=in_child)
    child.start()
    child.join(30)
    assert answers.get() is False
    assert taken_elsewhere(path, KEY) == [False]
    locks.release(KEY)
    assert taken_elsewhere(path, KEY) == [True]


def test_a_forked_child_gets_what_its_parent_gives_up(locks):
    context = multiprocessing.get_context("fork")
    given_up, answers = context.Event(), context.SimpleQueue()
    assert locks.try_acquire(KEY)

    def in_child():
        given_up.wait(30)
        answers.put(locks.try_acquire(KEY))

    child = context.Process(target=in_child)
    child.start()
    locks.release(KEY)
    given_up.set()
    child.join(30)
    assert answers.get() is True


def test_the_file_stays_empty_and_has_the_rights_of_its_folder(locks, path):
    path.parent.chmod(0o770)
    for number in range(1000):
        assert locks.try_acquire(f"{number:032x}"[::-1])
    assert path.stat().st_size == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_many_threads_take_turns(locks):
    count = 0
    counted = []

    def work():
        nonlocal count
        for _ in range(300):
            while not locks.try_acquire(KEY):
                pass
            seen = count
            counted.append(seen)
            count = seen + 1
            locks.release(KEY)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count == 1200
    assert counted == [*range(1200)]


@pytest.mark.parametrize("name", ["leases", "others"])
def test_a_file_may_be_given_up_in_the_middle_of_an_opening(locks, path, monkeypatch, name):
    """Garbage is collected anywhere: a lock that its finalizer took could be held already."""
    assert locks.try_acquire(OTHER)
    another = FileLocks(path.with_name(name))
    identity = filelocks._identity

    def collecting(path):
        found = identity(path)
        locks.close()
        return found

    monkeypatch.setattr(filelocks, "_identity", collecting)
    got = []
    thread = threading.Thread(target=lambda: got.append(another.try_acquire(KEY)), daemon=True)
    thread.start()
    thread.join(60)
    assert got == [True]
    monkeypatch.undo()
    assert taken_elsewhere(another.path, KEY) == [False]
    assert taken_elsewhere(path, OTHER) == [name == "others"]
    another.close()


def test_it_travels_as_its_path(locks, path):
    assert locks.try_acquire(KEY)
    copy = pickle.loads(pickle.dumps(locks))
    assert copy.path == path
    assert not copy.try_acquire(KEY)
    copy.close()


def test_keys_that_differ_late_are_other_locks_here(locks):
    """Two keys on one byte: the other processes see one lock, this one two."""
    twin = KEY[:16] + "0" * 16
    assert locks.try_acquire(KEY)
    assert locks.try_acquire(twin)
