"""Killed at random moments, upkeep harms nothing, and the next run does the rest."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleche_like import open_cache
from fleche_like.calls import Call
from fleche_like.maintenance import evict, gc, verify
from fleche_like.storage.layout import path
from fleche_like.support.sentinel import MISSING
from tests.maintenance.conftest import opened
from tests.project.paths import ROOT

START = """
import sys, time
from fleche_like import open_cache
from fleche_like.maintenance import evict, gc, verify
cache = open_cache(sys.argv[1], memory_bytes=0)
copy = open_cache(sys.argv[2], memory_bytes=0, read_only=True)
print("ready", flush=True)
"""
JOBS = {
    "repair": "verify(cache, repair=copy, resume=True)",
    "evict": "evict(cache, cache.query(), values=True)",
    "gc": "gc(cache, grace=-5)",
}


def result(number: int) -> list[int]:
    return [number] * 3000


def killed(job: str, folder: Path, chance: random.Random) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", f"{START}{job}\ntime.sleep(60)", folder / "cache", folder / "copy"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout is not None
    running.stdout.readline()
    time.sleep(chance.uniform(0, 0.4))
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()


@pytest.mark.parametrize("job", JOBS)
def test_what_a_killed_run_leaves_is_sound_and_the_next_one_finishes(tmp_path, job):
    with opened(tmp_path, inline_bytes=8000) as cache:
        keys = [cache.save(Call("f", {"n": n}, result=result(n))) for n in range(150)]
        shutil.copytree(tmp_path / "cache", tmp_path / "copy")
        digests = [cache.load(key).digested.result for key in keys]
        if job == "gc":
            evict(cache, [cache.load(key) for key in keys[::2]])
        if job == "repair":
            for digest in digests[::3]:
                cache.values.backend.put_bytes(path("values/", digest), b"spoiled")
            for digest in digests[1::3]:
                cache.values.evict(digest)
    chance = random.Random(job)
    for _ in range(3):
        killed(JOBS[job], tmp_path, chance)
        with opened(tmp_path, inline_bytes=8000) as cache:
            wrong = [
                n for n, key in enumerate(keys) if cache.lookup(key) not in (result(n), MISSING)
            ]
            assert wrong == []
    with opened(tmp_path, inline_bytes=8000) as cache:
        finish(job, cache, tmp_path)
        assert verify(cache).is_sound
        left = [n for n, key in enumerate(keys) if cache.lookup(key) == result(n)]
        expected = {"repair": range(150), "evict": range(0), "gc": range(1, 150, 2)}
        assert left == list(expected[job])
        assert len(set(cache.values.list())) == len(left)


def finish(job, cache, folder):
    if job == "repair":
        with open_cache(folder / "copy", read_only=True) as copy:
            verify(cache, repair=copy, resume=True)
    elif job == "evict":
        evict(cache, cache.query(), values=True)
        gc(cache, grace=-5)
    else:
        gc(cache, grace=-5)
