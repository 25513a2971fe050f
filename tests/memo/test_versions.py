"""Calls, reruns, evictions and batches at once, against an oracle: versions that only ever grow.

Each run of a body returns the next version of its key. Nobody is answered with an older one than
somebody had before the call began, nor with another key's, nor with what another caller changed;
and no two bodies of one key ever run at a time.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import fleche_like as fl
from fleche_like.cache import BudgetedCache

KEYS = 4
CACHES: dict[str, Callable[..., fl.Cache]] = {
    "folder": lambda path: fl.open_cache(path),
    "memory": lambda _: fl.open_cache("memory://"),
    "stack": lambda path: fl.CacheStack(fl.open_cache("memory://"), fl.open_cache(path)),
    "budget": lambda path: BudgetedCache(fl.open_cache(path), max_items=KEYS - 1),
}


class Oracle:
    """Hands out versions, and knows how old an answer may be."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._newest = [0] * KEYS
        self._answered = [0] * KEYS
        self._running = [0] * KEYS

    def begin(self, key):
        with self._guard:
            self._running[key] += 1
            assert self._running[key] == 1, "two bodies of one key at a time"
            self._newest[key] += 1
            return [key, self._newest[key]]

    def end(self, key):
        with self._guard:
            self._running[key] -= 1

    def known(self):
        with self._guard:
            return [*self._answered]

    def check(self, key, answer, before):
        found, version = answer  # two items: nobody has changed this one before
        assert found == key
        assert version >= before[key]
        answer.append("changed by a caller")
        with self._guard:
            self._answered[key] = max(self._answered[key], version)


@pytest.fixture(params=CACHES)
def cache(request, tmp_path):
    with CACHES[request.param](tmp_path / "cache") as opened:
        yield opened


@pytest.mark.parametrize("seed", range(2))
def test_threads_get_nothing_old_and_nothing_shared(cache, seed):
    oracle = Oracle()

    @fl.memoize(cache=cache, code="none")
    def f(key):
        answer = oracle.begin(key)
        time.sleep(0.001)
        oracle.end(key)
        return answer

    def use(number):
        choose = random.Random(f"{seed} {number}")
        for _ in range(80):
            key, action, before = choose.randrange(KEYS), choose.random(), oracle.known()
            if action < 0.1:
                oracle.check(key, f.rerun(key), before)
            elif action < 0.15:
                f.evict(key)
            elif action < 0.3:
                keys = [choose.randrange(KEYS) for _ in range(5)]
                for each, answer in zip(keys, f.map(keys), strict=True):
                    oracle.check(each, answer, before)
            else:
                oracle.check(key, f(key), before)

    with ThreadPoolExecutor(6) as pool:
        assert [*pool.map(use, range(6))] == [None] * 6


def test_tasks_of_two_loops_get_nothing_old_and_nothing_shared(cache):
    oracle = Oracle()

    @fl.memoize(cache=cache, code="none")
    async def f(key):
        answer = oracle.begin(key)
        try:
            await asyncio.sleep(0.001)
            return answer
        finally:
            oracle.end(key)

    async def use(number):
        choose = random.Random(number)
        for _ in range(30):
            key, action, before = choose.randrange(KEYS), choose.random(), oracle.known()
            if action < 0.1:
                oracle.check(key, await f.rerun(key), before)
            elif action < 0.15:
                await asyncio.to_thread(f.evict, key)
            elif action < 0.3:
                task = asyncio.ensure_future(f(key))
                await asyncio.sleep(choose.random() / 500)
                task.cancel()
                await asyncio.wait([task])
            elif action < 0.4:
                keys = [choose.randrange(KEYS) for _ in range(5)]
                each = iter(keys)
                async for answer in f.map(keys):
                    oracle.check(next(each), answer, before)
            else:
                oracle.check(key, await f(key), before)

    async def together(first):
        await asyncio.gather(*(use(first + number) for number in range(4)))

    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(asyncio.run, map(together, (0, 10)))] == [None] * 2
