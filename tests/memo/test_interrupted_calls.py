"""Ctrl-C at any moment of a call leaves nothing behind that others would wait for.

A notebook goes on after an interrupt, in the same process: a lease or a turn that was lost on the
way would keep everybody from that key until the kernel is restarted.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import fleche_like as fl
from fleche_like.memo.flight import process
from tests.strikes import Strike

PATIENCE_S = 60
WITHIN = ("memo/flight", "memo/answering", "memo/waiting", "memo/run", "support/filelocks")

ASK = """
import sys
from fleche_like.support.filelocks import FileLocks

locks = FileLocks(sys.argv[1])
for line in sys.stdin:
    print(locks.try_acquire(line.strip()), flush=True)
    locks.release(line.strip())
"""


@pytest.fixture
def is_free(tmp_path) -> Iterator:
    """Whether another process can have the lease of a key."""
    command = [sys.executable, "-c", ASK, str(tmp_path / "cache" / "leases")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        stdin, stdout = other.stdin, other.stdout

        def ask(key: str) -> bool:
            stdin.write(f"{key}\n")
            stdin.flush()
            return stdout.readline() == "True\n"

        yield ask
        stdin.close()


@pytest.fixture
def cache(tmp_path) -> Iterator[fl.Cache]:
    with fl.open_cache(tmp_path / "cache") as cache:
        yield cache


def answered_elsewhere(function, argument):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function(argument)), daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return answers


@pytest.mark.parametrize("waits", [False, True])
def test_an_interrupted_call_keeps_nobody_waiting(cache, is_free, waits):
    """Struck is the one who runs the body, or one who waits for it."""

    @fl.memoize(cache=cache, code="none")
    def double(number):
        if number in slow and threading.current_thread() in slow[number]:
            begun.set()
            time.sleep(0.02)
        return [2 * number]

    slow: dict[int, list[threading.Thread]] = {}
    begun = threading.Event()
    double(-1)
    for at in itertools.count(1):
        strike, others = Strike(at, WITHIN), []
        if waits:
            others = [threading.Thread(target=double, args=(at,))]
            slow[at] = others
            begun.clear()
            others[0].start()
            begun.wait(PATIENCE_S)
        strike.run(lambda at=at: double(at))
        for each in others:
            each.join(PATIENCE_S)
        if strike.place is None:
            break
        assert not process.turns, strike.place
        assert cache.leases is not None
        assert not cache.leases.held(), strike.place  # type: ignore[attr-defined]
        assert is_free(double.key(at)), strike.place
        assert answered_elsewhere(double, at) == [[2 * at]], strike.place
    assert at > 15
