"""Coroutine functions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fleche_like as fl

pytestmark = pytest.mark.usefixtures("cache")


def make() -> tuple[Any, list[int]]:
    runs: list[int] = []

    async def f(x: int) -> dict[str, int]:
        await asyncio.sleep(0)
        runs.append(x)
        return {"x": x, "run": len(runs)}

    return fl.memoize(code="none")(f), runs


def test_the_second_call_is_a_hit():
    f, runs = make()
    assert asyncio.run(f(1)) == asyncio.run(f(1)) == {"x": 1, "run": 1}
    assert runs == [1]
    assert f.contains(1)
    assert f.load(1) == {"x": 1, "run": 1}


def test_a_rerun_replaces_what_is_stored():
    f, runs = make()
    asyncio.run(f(1))
    assert asyncio.run(f.rerun(1)) == {"x": 1, "run": 2}
    assert asyncio.run(f(1)) == {"x": 1, "run": 2}
    assert runs == [1, 1]


def test_what_the_body_raises_is_raised_and_not_stored():
    @fl.memoize
    async def f(x):
        raise KeyError(x)

    with pytest.raises(KeyError):
        asyncio.run(f(1))
    assert f.stats().failures == 1


def test_many_tasks_share_one_cache():
    f, _ = make()

    async def all_of_them():
        return await asyncio.gather(*(f(n % 5) for n in range(50)))

    answers = asyncio.run(all_of_them())
    assert [answer["x"] for answer in answers] == [n % 5 for n in range(50)]


def test_a_loop_of_ones_own_will_do():
    @fl.memoize
    async def f(x):
        return x + 1

    for _ in range(2):
        coroutine = f(1)
        with pytest.raises(StopIteration) as done:
            coroutine.send(None)
        assert done.value.value == 2
    assert f.stats().hits == 1
