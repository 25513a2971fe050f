"""Arguments of running calls are pinned: while the call lives and its process does, no longer."""

from __future__ import annotations

import gc as garbage
import os
import signal
import subprocess
import sys

import numpy as np

from fleche_like import open_cache
from fleche_like.cache import pins
from fleche_like.cache.pins import Pins, pinned
from fleche_like.calls import Call
from fleche_like.maintenance import gc
from tests.project.paths import ROOT


class Owner:
    pass


def digests(*numbers):
    return [f"{number:032x}" for number in numbers]


def test_what_is_held_is_seen_until_its_owner_is_dropped(tmp_path):
    mine, owner, other = Pins(tmp_path), Owner(), Owner()
    mine.hold(owner, digests(1, 2))
    mine.hold(other, digests(2, 3))
    assert pinned(tmp_path) == set(digests(1, 2, 3))
    del owner
    garbage.collect()
    assert set(digests(2, 3)) <= pinned(tmp_path)
    del other
    garbage.collect()
    assert pinned(tmp_path) == set()
    mine.close()
    assert list((tmp_path / "pins").iterdir()) == []


def test_an_owner_that_is_dropped_while_another_is_pinned_takes_nothing_along(
    tmp_path, monkeypatch
):
    mine, owner, others = Pins(tmp_path), Owner(), [Owner()]
    mine.hold(others[0], digests(1))
    write = Pins._write

    def collecting(self, written):
        write(self, written)
        others.clear()

    monkeypatch.setattr(Pins, "_write", collecting)
    mine.hold(owner, digests(2))
    assert set(digests(2)) <= pinned(tmp_path)
    mine.close()


def test_nothing_is_made_before_there_is_something_to_pin(tmp_path):
    Pins(tmp_path).close()
    assert pinned(tmp_path, clean=True) == set()
    assert list(tmp_path.iterdir()) == []


def test_a_long_file_is_begun_anew_with_what_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(pins, "MOST_BYTES", 1000)
    mine, owner = Pins(tmp_path), Owner()
    mine.hold(owner, digests(7))
    for number in range(100, 400):
        mine.hold(Owner(), digests(number))
        assert digests(7)[0] in pinned(tmp_path)
    (file,) = (tmp_path / "pins").iterdir()
    assert file.stat().st_size < 3000
    mine.close()


PINNING = """
import sys
from fleche_like import open_cache
from fleche_like.calls import Call
import numpy as np
cache = open_cache(sys.argv[1])
running = cache.prepare(Call("f", {"a": np.arange(200_000)}))
print("ready", flush=True)
sys.stdin.readline()
"""


def test_an_argument_of_another_process_stays_as_long_as_that_lives(tmp_path):
    command = [sys.executable, "-c", PINNING, str(tmp_path / "cache")]
    running = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == b"ready\n"
    with open_cache(tmp_path / "cache", memory_bytes=0) as cache:
        assert gc(cache, grace=-5).values == 0
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert gc(cache, grace=-5, dry_run=True).values == 1
        assert gc(cache, grace=-5).values == 1
        assert list((tmp_path / "cache" / "pins").iterdir()) == []


def test_an_argument_that_was_there_stays_while_the_body_runs(tmp_path):
    argument = np.arange(5000)
    with open_cache(tmp_path / "cache", memory_bytes=0) as cache:
        cache.values.save(argument)
        running = cache.prepare(Call("f", {"a": argument}))
        assert gc(cache, grace=-5).values == 0
        key = cache.commit(running, 1)
        assert np.array_equal(cache.load(key).arguments["a"], argument)


def test_a_forked_child_keeps_nothing_for_its_parent(tmp_path):
    mine, owner = Pins(tmp_path), Owner()
    mine.hold(owner, digests(1))
    child = os.fork()
    if child == 0:
        mine.hold(owner, digests(2))
        os._exit(0 if pinned(tmp_path) == set(digests(1, 2)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pinned(tmp_path, clean=True) == set(digests(1))
    mine.close()
    assert pinned(tmp_path) == set()
