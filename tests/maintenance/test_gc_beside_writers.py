"""Collecting while others write, and dying while collecting: no call ever loses its result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fleche_like import open_cache
from fleche_like.calls import Call
from fleche_like.maintenance import gc, verify
from fleche_like.support.sentinel import MISSING
from tests.maintenance import churn
from tests.maintenance.conftest import opened
from tests.project.paths import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

COLLECTING = """
import sys
from fleche_like import open_cache
from fleche_like.maintenance import gc
with open_cache(sys.argv[1], memory_bytes=0) as cache:
    print("ready", flush=True)
    while True:
        gc(cache, grace=0)
"""


def writers(folder: Path, count: int, rounds: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.maintenance.churn", str(folder)]
    return [
        subprocess.Popen(
            [*command, f"writer{number}", str(rounds)],
            env=ENVIRONMENT, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for number in range(count)
    ]  # fmt: skip


def wrong_answers(running: list[subprocess.Popen[str]]) -> list[str]:
    return [process.communicate(timeout=300)[0].strip() for process in running]


def test_no_call_loses_its_result_to_collections_without_any_grace(tmp_path):
    """Writers store and evict equal values all the time; each look-up must be right."""
    with opened(tmp_path) as cache:
        running = writers(tmp_path / "cache", 3, 200)
        collected = 0
        while any(process.poll() is None for process in running):
            collected += gc(cache, grace=0).values
        assert wrong_answers(running) == ["0", "0", "0"]
        assert collected > 10
        assert verify(cache).is_sound


def test_a_collection_may_die_at_any_moment(tmp_path):
    folder = tmp_path / "cache"
    with open_cache(folder, memory_bytes=0) as cache:
        churn.churn(cache, "first", 60)
    running = writers(folder, 1, 200)
    kills, chance = 0, random.Random(7)
    while running[0].poll() is None or kills < 5:
        collector = subprocess.Popen(
            [sys.executable, "-c", COLLECTING, str(folder)],
            env=ENVIRONMENT, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert collector.stdout is not None
        collector.stdout.readline()
        time.sleep(chance.uniform(0, 0.15))
        collector.send_signal(signal.SIGKILL)
        collector.wait()
        collector.stdout.close()
        kills += 1
    assert wrong_answers(running) == ["0"]
    with open_cache(folder, memory_bytes=0) as cache:
        gc(cache, grace=0)
        assert gc(cache, grace=0).values == 0
        assert verify(cache).is_sound
        calls = list(cache.query())
        assert calls
        assert all(cache.lookup(call.key) is not MISSING for call in calls)


# --- forced interleavings ------------------------------------------------------------------------


def collecting_before_the_record(cache: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let gc run between the result and the call that names it."""
    save, collected = cache.calls.save, []

    def save_after_gc(call, **options):
        if not cache.calls.database.is_writing():
            with open_cache(cache.folder, memory_bytes=0) as other:
                collected.append(gc(other, grace=-1).values)
        return save(call, **options)

    monkeypatch.setattr(cache.calls, "save", save_after_gc)
    return collected


@pytest.mark.parametrize("argument", [1, np.arange(10)], ids=["straight", "by steps"])
def test_a_result_removed_just_before_its_call_is_stored_is_put_again(
    tmp_path, monkeypatch, argument
):
    large = np.arange(20_000)
    with opened(tmp_path) as cache:
        cache.values.save(large)  # so that it is found there, and not written
        collected = collecting_before_the_record(cache, monkeypatch)
        key = cache.save(Call("f", {"a": argument}, result=large))
        assert collected == [1]
        assert np.array_equal(cache.lookup(key), large)


def test_a_call_stored_while_gc_looks_keeps_its_values(tmp_path, monkeypatch):
    """The marks are made; then a call is stored whose result had been unused."""
    from fleche_like.maintenance import sweeping

    data, view = {"part": [1.5] * 2000}, np.float64(2.5)
    with opened(tmp_path) as cache:
        cache.values.save(data)
        cache.values.save(view)
        kept: list[str] = []

        class Late(sweeping.Sweeper):
            def sweep(self):
                kept.append(cache.save(Call("f", {"v": view, "d": data}, result=data)))
                return super().sweep()

        monkeypatch.setitem(sys.modules["fleche_like.maintenance.gc"].__dict__, "Sweeper", Late)
        assert gc(cache, grace=-1).values == 0
        call = cache.load(kept[0])
        assert call.result == data
        assert dict(call.arguments) == {"v": view, "d": data}
