"""Results in parts through the decorator and a cache: stored once, and whole at every door."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.hashing import Digest, digest
from fleche_like.support.sentinel import MISSING

SHARED = np.arange(500_000.0)


@dataclasses.dataclass
class Run:
    data: Any
    number: int


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.fixture(params=["folder", "memory", "values in a folder"])
def cache(request, tmp_path):
    opened = {
        "folder": lambda: fl.open_cache(tmp_path / "cache"),
        "memory": lambda: fl.open_cache("memory://"),
        "values in a folder": lambda: fl.open_cache(
            f"sqlite:///{tmp_path}/index.db", values=tmp_path / "values"
        ),
    }[request.param]()
    with opened:
        yield opened


def test_a_hundred_results_with_one_array_take_its_bytes_once(tmp_path):
    kinds = {
        "list": lambda n: [SHARED, n],
        "dict": lambda n: {"data": SHARED, "n": n},
        "dataclass": lambda n: Run(SHARED, n),
        "deep": lambda n: (n, {"deep": [Run(SHARED, n)]}),
    }
    with fl.open_cache(tmp_path) as cache:
        for name, kind in kinds.items():
            for number in range(25):
                cache.save(fl.Call(name, {"n": number}, result=kind(number)))
    assert SHARED.nbytes < folder_bytes(tmp_path) < SHARED.nbytes + 1_000_000


def test_memoized_functions_share_what_their_results_share(tmp_path):
    with fl.open_cache(tmp_path, memory_bytes=0) as cache:

        @fl.memoize(cache=cache)
        def simulate(n):
            return {"data": SHARED, "n": n}

        for _ in range(2):
            for number in range(30):
                result = simulate(number)
                np.testing.assert_equal(result, {"data": SHARED, "n": number})
                if result["data"] is not SHARED:
                    result["data"][0] = -1
        assert simulate.stats().hits == 30
    assert SHARED.nbytes < folder_bytes(tmp_path) < SHARED.nbytes + 1_000_000


def test_every_door_gives_the_whole(cache):
    result = [SHARED, {"n": 1}]
    key = cache.save(fl.Call("f", {"x": 1}, result=result))
    for _ in range(3):
        np.testing.assert_equal(cache.lookup(key), result)
    np.testing.assert_equal(cache.lookup_many([key])[key], result)
    np.testing.assert_equal(cache.lookup_mapped(key, True), result)
    np.testing.assert_equal(cache.lookup_mapped(key, "verify"), result)
    np.testing.assert_equal(cache.load(key).result, result)
    found = cache.load(key).digested.result
    assert found is not None
    np.testing.assert_equal(cache.load_values([found])[found], result)
    assert [part.digest for part in cache.parts(found)] == [digest(SHARED)]


def test_a_result_whose_part_is_gone_is_a_miss_and_computed_again(cache):
    calls = []

    @fl.memoize(cache=cache)
    def simulate(n):
        calls.append(n)
        return [SHARED, n]

    simulate(1)
    for turn in range(2, 4):
        cache.values.evict(digest(SHARED))
        cache.memory.clear()
        assert cache.lookup(simulate.key(1)) is MISSING
        np.testing.assert_equal(simulate(1), [SHARED, 1])
        assert calls == [1] * turn
    np.testing.assert_equal(cache.lookup(simulate.key(1)), [SHARED, 1])


@pytest.mark.parametrize("size", [2_000, 100_000, 500_000])
def test_arguments_in_parts_are_stored_as_they_were_before_the_body_ran(tmp_path, size):
    with fl.open_cache(tmp_path, destructure_bytes=8_000) as cache:

        @fl.memoize(cache=cache)
        def spoil(data):
            data["array"][:] = 0
            return 1

        array = np.ones(size)
        key = spoil.key({"array": array})
        spoil({"array": array})
        arguments = cache.load(key).arguments
        np.testing.assert_equal(arguments["data"], {"array": np.ones(size)})
        assert cache.parts(cache.load(key).digested.arguments["data"])


def test_a_digest_of_a_part_stands_for_it(cache):
    key = cache.save(fl.Call("f", {}, result=[SHARED, 1]))
    part = Digest(cache.parts(cache.load(key).digested.result)[0].digest)

    @fl.memoize(cache=cache)
    def total(array):
        return float(array.sum())

    assert total(part) == SHARED.sum()


def test_the_option_turns_it_off(tmp_path):
    with fl.open_cache(tmp_path, destructure_bytes=None) as cache:
        for number in range(3):
            cache.save(fl.Call("f", {"n": number}, result=[SHARED, number]))
    assert folder_bytes(tmp_path) > 3 * SHARED.nbytes
    with fl.open_cache(tmp_path) as cache:
        cache.save(fl.Call("f", {"n": 3}, result=[SHARED, 3]))
        for number in range(4):
            found = cache.query(name="f", arguments={"n": number}).one().result
            np.testing.assert_equal(found, [SHARED, number])
