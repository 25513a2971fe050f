"""The memory tier: bounded, unshared, and never behind the storage for long."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fleche_like as fl
from fleche_like.backends import MemoryBackend
from fleche_like.cache.abilities import transaction_of
from fleche_like.cache.immutable import is_immutable
from fleche_like.cache.memory import CHECK_INTERVAL_S, MemoryTier
from fleche_like.index import SqlCallStorage
from fleche_like.storage import BackendValueStorage
from fleche_like.support.sentinel import MISSING
from fleche_like.testing.strategies import values

CALL = fl.Call("f", {"x": 1})


def keep(held, key, value):
    """Read a result twice: the second time it is kept."""
    held.put(key, value, held.changes)
    held.put(key, value, held.changes)


def tier(max_bytes=1_000_000):
    held = MemoryTier(max_bytes, lambda: 0)
    assert held.get("anything") is MISSING
    return held


@pytest.mark.parametrize("value", [1, None, "a", (1, "a"), [1], {"a": [1]}, b"x" * 10], ids=repr)
def test_what_was_put_is_got(value):
    held = tier()
    keep(held, "k", value)
    assert held.get("k") == value
    held.discard("k")
    assert held.get("k") is MISSING
    assert held.bytes == 0


def test_only_the_second_reading_is_kept():
    held = tier()
    held.put("k", 1, held.changes)
    assert held.get("k") is MISSING
    held.put("k", 1, held.changes)
    assert held.get("k") == 1


def test_what_was_read_before_a_change_is_not_kept():
    number = 0
    held = MemoryTier(1_000_000, lambda: number)
    assert held.get("k") is MISSING
    held.put("k", "old", held.changes)
    since = held.changes
    held.discard("k")
    held.put("k", "old", since)
    assert held.get("k") is MISSING

    since = held.changes
    number = 1
    time.sleep(2 * CHECK_INTERVAL_S)
    assert held.get("k") is MISSING  # another thread's look, between reading and keeping
    held.put("k", "old", since)
    assert held.get("k") is MISSING
    held.put("k", "new", held.changes)
    assert held.get("k") == "new"


@pytest.mark.parametrize("many", [False, True])
def test_a_result_that_is_overwritten_while_it_is_read_is_not_answered_again(tmp_path, many):
    """A thread that reads, is held up, and keeps what it read after another one's overwriting."""
    with fl.open_cache(tmp_path) as cache:
        key = cache.save(fl.Call("f", {"x": 1}, result="old"))
        attribute = "_read_many_in_place" if many else "_read"
        read = getattr(cache, attribute)

        def slow(wanted):
            found = read(wanted)
            cache.save(fl.Call("f", {"x": 1}, result="new"))
            time.sleep(2 * CHECK_INTERVAL_S)
            cache.memory.get("another call")
            return found

        def look_up():
            return cache.lookup_many([key])[key] if many else cache.lookup(key)

        look_up()
        setattr(cache, attribute, slow)
        assert look_up() == "old"
        setattr(cache, attribute, read)
        assert look_up() == "new"


def test_mutable_values_are_not_shared():
    held = tier()
    original: dict[str, Any] = {"a": [1], "b": np.arange(3)}
    keep(held, "k", original)
    original["a"].append(2)
    first = held.get("k")
    assert first["a"] == [1]
    first["a"].append(3)
    first["b"][0] = 9
    assert held.get("k")["a"] == [1]
    assert held.get("k")["b"][0] == 0


@given(values())
def test_only_what_nobody_can_change_is_handed_out_itself(value):
    held = tier()
    keep(held, "k", value)
    first = held.get("k")
    if first is not MISSING and first is held.get("k"):
        assert is_immutable(value) or pickle.loads(pickle.dumps(value)) is value


def test_the_bound_holds_and_what_was_used_stays():
    held = tier(10_000)
    keep(held, "hot", "x" * 500)
    for number in range(200):
        keep(held, f"cold {number}", "x" * 500)
        assert held.get("hot") is not MISSING
        assert held.bytes <= 10_000
    assert held.get("cold 0") is MISSING
    assert len(held) < 20


def test_a_value_that_would_push_out_everything_is_not_kept():
    held = tier(10_000)
    keep(held, "small", "x")
    keep(held, "large", "x" * 9_000)
    keep(held, "array", np.zeros(2_000))
    assert held.get("large") is MISSING
    assert held.get("array") is MISSING
    assert held.get("small") == "x"


def test_the_bound_is_about_what_memory_is_really_used():
    held = tier(2_000_000)
    tracemalloc.start()
    try:
        for number in range(20_000):
            keep(held, f"{number:032d}", [number] * 20)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < 1.3 * held.max_bytes


def test_a_tier_without_room_holds_nothing():
    held = tier(0)
    keep(held, "k", 1)
    assert held.get("k") is MISSING


def test_a_new_generation_empties_the_tier_in_time():
    generation = 0
    held = MemoryTier(1_000_000, lambda: generation)
    assert held.get("k") is MISSING
    keep(held, "k", 1)
    assert held.get("k") == 1
    generation = 1
    threading.Event().wait(2 * CHECK_INTERVAL_S)
    assert held.get("k") is MISSING
    keep(held, "k", 2)
    assert held.get("k") == 2


def test_many_threads():
    held = tier(50_000)
    wrong = []

    def use(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for number in rng.integers(0, 200, 2000):
            found = held.get(str(number))
            if found is MISSING:
                keep(held, str(number), [int(number)] * 10)
            elif found != [number] * 10:
                wrong.append(found)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert held.bytes <= 50_000
    assert held.bytes == sum(entry.size for entry in held._entries.values())


@given(st.lists(st.integers()))
def test_immutability_looks_into_tuples(items):
    assert is_immutable(tuple(items)) == (len(items) <= 64)
    assert not is_immutable((*items[:3], []))
    assert not is_immutable((*items[:3], ([],)))


def in_memory(cache: fl.Cache, call: fl.Call, result: object) -> fl.Digest:
    """Store a call, and read it until the memory tier has it."""
    key = cache.save(replace(call, result=result))
    for _ in range(3):
        assert cache.lookup(key) == result
    assert len(cache.memory) == 1
    return key


@pytest.mark.parametrize("write", ["save", "evict"])
def test_two_caches_of_one_folder_forget_at_once(tmp_path, write, monkeypatch):
    """In one process nobody waits for the next look at the generation."""
    monkeypatch.setattr("fleche_like.cache.memory.CHECK_INTERVAL_S", 3600)
    with fl.open_cache(tmp_path / "c") as mine, fl.open_cache(tmp_path / "." / "c") as other:
        key = in_memory(other, CALL, "old")
        if write == "save":
            mine.save(replace(CALL, result="new"))
        else:
            mine.evict(key)
        assert other.lookup(key) == ("new" if write == "save" else MISSING)


def test_what_is_undone_was_never_in_memory(tmp_path):
    """A transaction around it reads what it wrote; when it is undone, nobody else ever did."""
    with fl.open_cache(tmp_path) as cache:
        key = in_memory(cache, CALL, "old")
        seen: list[Any] = []

        def write_and_fail() -> None:
            with transaction_of(cache.calls)(), ThreadPoolExecutor(1) as elsewhere:
                cache.save(replace(CALL, result="new"))
                seen.extend(cache.lookup(key) for _ in range(4))
                assert elsewhere.submit(cache.lookup, key).result() == "old"
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write_and_fail()
        assert seen == ["new"] * 4
        assert [cache.lookup(key) for _ in range(4)] == ["old"] * 4
        assert len(cache.memory) == 1


def test_what_a_transaction_wrote_is_read_inside_and_at_once_behind_it(tmp_path, monkeypatch):
    """Another thread reads meanwhile, again and again, what is still committed."""
    monkeypatch.setattr("fleche_like.cache.memory.CHECK_INTERVAL_S", 3600)
    with fl.open_cache(tmp_path) as cache, ThreadPoolExecutor(1) as elsewhere:
        key = in_memory(cache, CALL, "old")
        with transaction_of(cache.calls)():
            cache.evict(key)
            assert [elsewhere.submit(cache.lookup, key).result() for _ in range(4)] == ["old"] * 4
            assert cache.lookup(key) is MISSING
        assert cache.lookup(key) is MISSING
        assert elsewhere.submit(cache.lookup, key).result() is MISSING


def test_records_that_lie_apart_from_their_index_are_not_kept_in_memory(tmp_path, monkeypatch):
    """An eviction takes the row, with the number, and then the record: what is read in between
    would be answered for ever."""
    records = MemoryBackend()
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"

    def opened() -> fl.Cache:
        calls = SqlCallStorage(url, records=records)
        return fl.Cache(BackendValueStorage(MemoryBackend()), calls)

    with opened() as mine, opened() as other:
        key = mine.save(replace(CALL, result=7))
        other.save(replace(CALL, result=7))
        delete, seen = records.delete, list[Any]()

        def slowly(path: str) -> None:
            seen.extend(other.lookup(key) for _ in range(4))
            delete(path)

        monkeypatch.setattr(records, "delete", slowly)
        mine.evict(key)
        assert seen == [7] * 4
        assert other.lookup(key) is MISSING


def test_a_tier_that_was_interrupted_while_it_counted_goes_on(monkeypatch):
    """Ctrl-C between taking something out and subtracting its size."""
    held = tier(100_000)
    monkeypatch.setattr(held, "bytes", held.max_bytes + 1)
    keep(held, "a", "x")
    assert not held._entries


READ = """
import sys, time
import fleche_like as fl
cache = fl.open_cache(sys.argv[1])
values = iter(sys.stdin)

@fl.memoize(cache=cache, code="none")
def read(name):
    return {"value": next(values).strip()}

def note(what):
    print(what, flush=True)

[read("x") for _ in range(4)]
note(f"memory {len(cache.memory)}")
sys.stdin.readline()
seen = read("x")["value"]
began = time.perf_counter()
while read("x")["value"] == seen and time.perf_counter() - began < 20:
    pass
note(time.time())
"""


@pytest.mark.parametrize("change", ["evict", "replace"])
def test_what_another_process_changes_is_seen_within_fifty_milliseconds(tmp_path, change):
    """The reader hits its memory without a pause; both clocks are the machine's."""
    folder = tmp_path / "cache"
    command = [sys.executable, "-c", READ, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("old\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "memory 1\n"
        with fl.open_cache(folder) as cache:
            (call,) = cache.query()
            key, arguments = call.key, dict(call.arguments)
            # Another line to begin with, and the value that it computes after an eviction.
            reader.stdin.write("go\nnew\n")
            reader.stdin.flush()
            time.sleep(0.5)
            if change == "evict":
                cache.evict(key)
            else:
                result = {"value": "new"}
                cache.save(fl.Call(call.name, arguments, call.module, None, None, result))
            changed = time.time()
        seen = float(reader.stdout.readline())
    assert seen - changed < 0.05
