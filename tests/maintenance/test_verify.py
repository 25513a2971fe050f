"""Every kind of damage is found and mended, in every kind of cache; what is sound stays so."""

from __future__ import annotations

import sqlite3
import sys
import threading
from typing import Any

import numpy as np
import pytest

from fleche_like import Cache
from fleche_like.backends import LocalBackend, MemoryBackend
from fleche_like.calls import Call
from fleche_like.codecs.keys import generate_key
from fleche_like.errors import ConfigError, ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance import verify
from fleche_like.maintenance.verify import POSITION
from fleche_like.storage import BackendCallStorage, BackendValueStorage
from fleche_like.storage.layout import path
from fleche_like.storage.records import seal_record
from fleche_like.support.sentinel import MISSING
from tests.maintenance.conftest import opened, records_elsewhere, without_index
from tests.storage.places import DictCalls, DictValues


def call(number):
    arguments = {"n": number, "text": "t" * number, "view": np.float64(number / 7)}
    metadata = {"runtime": {"walltime": 0.25}, "tag": "x"}
    arguments["cfg"] = {"lr": number / 3, "deep": [1, {"two": number}]}
    return Call("f", arguments, "m", result=[number % 256] * (900 * number), metadata=metadata)


def fill(cache, count=12):
    keys = [cache.save(call(number)) for number in range(count)]
    if isinstance(cache.calls, SqlCallStorage):
        cache.calls.index_late()
    return keys


def result_of(cache, key):
    return cache.load(key).digested.result


def place_of(cache, digest):
    return path(cache.values.prefix, digest)


def spoil(backend, key):
    """Change one byte, as a failing disk would."""
    data = bytearray(backend.get_bytes(key))
    data[len(data) // 2] ^= 1
    backend.put_bytes(key, bytes(data))


def copy_of(cache):
    """A cache in memory with the same contents."""
    copy: Any = Cache(BackendValueStorage(MemoryBackend()), BackendCallStorage(MemoryBackend()))
    for one in cache.query():
        copy.save(one.fetch())
    return copy


def sql(cache, text, **params):
    import sqlalchemy as sa

    database = cache.calls.database
    names = tuple(params)
    database.write(database.prepare(sa.text(text), names), tuple(params.values()))


def right(cache, keys):
    return [number for number, key in enumerate(keys) if cache.lookup(key) != call(number).result]


# --- what is sound -------------------------------------------------------------------------------


def test_a_sound_cache_is_found_sound_and_is_not_changed(cache):
    keys = fill(cache)
    found = verify(cache)
    assert found.is_sound
    assert (found.calls, found.values) == (12, len(set(cache.values.list())))
    assert not cache.values.backend.exists(POSITION)
    assert right(cache, keys) == []


def test_late_calls_are_sound_too(tmp_path):
    with opened(tmp_path) as cache:
        for number in range(5):
            cache.save(call(number))
        found = verify(cache)
        assert found.is_sound
        assert found.calls == 5


def test_an_empty_cache_is_sound(cache):
    assert verify(cache).is_sound


def test_writers_do_not_make_it_see_damage(tmp_path):
    with opened(tmp_path) as cache:
        keys = fill(cache)
        stop, failures = threading.Event(), []

        def write():
            number = 0
            try:
                while not stop.is_set():
                    number += 1
                    again = call(number % 12)
                    again.metadata["round"] = number
                    cache.save(again)
                    cache.evict(cache.save(Call("g", {"n": number}, result=["g"] * number)))
            except BaseException as error:
                failures.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        found = [verify(cache) for _ in range(5)]
        stop.set()
        writer.join()
        assert failures == []
        assert [each.findings for each in found] == [()] * 5
        assert right(cache, keys) == []


# --- values --------------------------------------------------------------------------------------


def test_a_spoiled_value_is_found_and_fetched_from_a_copy(any_cache):
    keys = fill(any_cache, 6)
    copy = copy_of(any_cache)
    spoiled = [result_of(any_cache, keys[number]) for number in (3, 5)]
    for digest in spoiled:
        spoil(any_cache.values.backend, place_of(any_cache, digest))
    found = verify(any_cache)
    assert found.found == {"value": 2}
    assert {finding.key for finding in found.findings} == set(spoiled)
    assert (found.left, found.repaired) == (2, 0)
    found = verify(any_cache, repair=copy)
    assert (found.found, found.left, found.repaired) == ({"value": 2}, 0, 2)
    assert verify(any_cache).is_sound
    assert right(any_cache, keys) == []


def test_without_a_copy_a_spoiled_value_and_its_call_are_put_aside(cache):
    keys = fill(cache)
    digest = result_of(cache, keys[3])
    spoil(cache.values.backend, place_of(cache, digest))
    found = verify(cache, repair="quarantine")
    assert found.found == {"value": 1, "result": 1}
    assert (found.quarantined, found.left) == (2, 0)
    assert cache.values.backend.exists(f"quarantine/{place_of(cache, digest)}")
    assert cache.lookup(keys[3]) is MISSING
    assert not cache.contains(keys[3])
    assert right(cache, keys) == [3]
    assert verify(cache).is_sound
    assert cache.save(call(3)) == keys[3]
    assert right(cache, keys) == []


def test_a_missing_result_is_found_and_fetched(cache):
    keys = fill(cache)
    copy = copy_of(cache)
    cache.values.evict(result_of(cache, keys[4]))
    found = verify(cache)
    assert found.found == {"result": 1}
    assert found.findings[0].key == keys[4]
    assert verify(cache, repair=copy).repaired == 1
    assert right(cache, keys) == []


def test_a_scalar_result_needs_no_value(cache):
    key = cache.save(Call("f", {"n": 1}, result=7))
    cache.values.evict(result_of(cache, key))
    assert verify(cache).is_sound


@pytest.mark.parametrize("kind", ["values", "bytes"])
def test_values_come_from_a_value_storage_or_a_byte_backend(tmp_path, kind):
    with opened(tmp_path) as cache:
        keys = fill(cache, 6)
        backend = MemoryBackend()
        for key in cache.values.backend.list_prefix("values", recursive=True):
            backend.put_bytes(key, cache.values.backend.get_bytes(key))
        spoil(cache.values.backend, place_of(cache, result_of(cache, keys[5])))
        source = backend if kind == "bytes" else BackendValueStorage(backend)
        assert verify(cache, repair=source).repaired == 1
        assert right(cache, keys) == []


def test_a_copy_that_is_damaged_too_is_not_taken(tmp_path):
    with opened(tmp_path) as cache:
        keys = fill(cache, 6)
        copy = copy_of(cache)
        digest = result_of(cache, keys[5])
        spoil(copy.values.backend, place_of(copy, digest))
        spoil(cache.values.backend, place_of(cache, digest))
        found = verify(cache, repair=copy)
        assert (found.repaired, found.left) == (0, 0)
        assert cache.lookup(keys[5]) is MISSING


def test_every_byte_of_a_large_value_counts(tmp_path):
    large = np.arange(30_000)
    with opened(tmp_path) as cache:
        key = cache.save(Call("f", {}, result=large))
        where = place_of(cache, result_of(cache, key))
        data = cache.values.backend.get_bytes(where)
        for position in (0, 30, 200, 70_000, len(data) - 1):
            changed = bytearray(data)
            changed[position] ^= 0x10
            cache.values.backend.large.put_bytes(where, bytes(changed))
            assert verify(cache).found == {"value": 1}, position
        for shorter in (data[:-1], data[:10], b"", data + b"x"):
            cache.values.backend.large.put_bytes(where, shorter)
            assert verify(cache).found == {"value": 1}
        cache.values.backend.large.put_bytes(where, data)
        assert verify(cache).is_sound


class Divided(BackendValueStorage):
    """Says of some values that they are put together from others."""

    of: dict[Digest, tuple[Digest, ...]]

    def references(self, key):
        return self.of.get(key, ())


def test_a_missing_part_is_found_and_fetched(tmp_path):
    with opened(tmp_path) as plain:
        divided = Divided(plain.values.backend)
        cache: Any = Cache(divided, plain.calls, memory_bytes=0)
        whole, part = divided.save(["whole"]), divided.save(["part"])
        divided.of = {whole: (part,)}
        copy = BackendValueStorage(MemoryBackend())
        copy.save(["part"])
        divided.evict(part)
        found = verify(cache)
        assert found.found == {"part": 1}
        assert found.findings[0].key == whole
        assert verify(cache, repair=copy).repaired == 1
        assert verify(cache).is_sound


# --- records and rows ----------------------------------------------------------------------------


def test_a_spoiled_record_is_found_and_fetched(tmp_path):
    with opened(tmp_path) as cache:
        keys = fill(cache)
        copy = copy_of(cache)
        sql(cache, "UPDATE calls SET record = :r WHERE key = :k", r=b"\x93Rwrong", k=keys[2])
        found = verify(cache)
        assert found.found == {"record": 1}
        assert found.findings[0].key == keys[2]
        assert verify(cache, repair=copy).repaired == 1
        assert verify(cache).is_sound
        assert right(cache, keys) == []


def test_without_a_copy_a_spoiled_record_is_put_aside(tmp_path):
    with opened(tmp_path) as cache:
        keys = fill(cache)
        sql(cache, "UPDATE calls SET record = :r WHERE key = :k", r=b"\x93Rwrong", k=keys[2])
        assert verify(cache, repair="quarantine").quarantined == 1
        assert verify(cache).is_sound
        assert right(cache, keys) == [2]


@pytest.mark.parametrize("index", [True, False], ids=["indexed", "without index"])
def test_records_in_a_byte_backend_are_checked(tmp_path, index):
    with (records_elsewhere if index else without_index)(tmp_path) as cache:
        keys = fill(cache)
        records = cache.calls.records if index else cache.calls.backend
        spoil(records, path("calls/", keys[1]))
        found = verify(cache)
        assert found.found == {"record": 1}
        if index:
            records.delete(path("calls/", keys[5]))
            assert verify(cache).found == {"record": 2}
        assert verify(cache, repair="quarantine").left == 0
        assert verify(cache).is_sound
        assert right(cache, keys) == ([1, 5] if index else [1])


def test_a_record_without_rows_is_counted_for_reindex(tmp_path):
    with records_elsewhere(tmp_path) as cache:
        keys = fill(cache, 3)
        records = cache.calls.records
        record = records.get_bytes(path("calls/", keys[1]))
        cache.evict(keys[1])
        records.put_bytes(path("calls/", keys[1]), record)
        found = verify(cache)
        assert found.is_sound
        assert found.adoptable == 1


WRONG_ROWS = {
    "another result": "UPDATE calls SET result = (SELECT result FROM calls WHERE id = 2)"
    " WHERE id = 3",
    "another scalar": "UPDATE calls SET num = 0.5 WHERE id = 3",
    "another function": "UPDATE calls SET function = 2 WHERE id = 3",
    "no arguments": "DELETE FROM arguments WHERE call = 3",
    "another argument": "UPDATE arguments SET num = 9 WHERE call = 3 AND num IS NOT NULL",
    "another value": "UPDATE arguments SET value = x'00' WHERE call = 3",
    "one argument more": "INSERT INTO arguments SELECT 3, max(id), x'00', 0, 1.0, NULL FROM names",
    "less metadata": "DELETE FROM metadata WHERE call = 3 AND text IS NOT NULL",
    "other metadata": "UPDATE metadata SET text = 'sy' WHERE call = 3 AND text IS NOT NULL",
}


@pytest.mark.parametrize("change", WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_rows_that_do_not_follow_from_the_record_are_found_and_derived_again(tmp_path, change):
    with opened(tmp_path) as cache:
        keys = fill(cache, 5)
        cache.save(Call("g", {"other": 1}, result=1))
        cache.calls.index_late()
        sql(cache, change)
        found = verify(cache)
        assert found.found == {"rows": 1}
        assert found.findings[0].key == keys[2]
        assert verify(cache, repair="quarantine").repaired == 1
        assert verify(cache).is_sound
        assert right(cache, keys) == []


def test_rows_of_no_call_are_found_and_removed(tmp_path):
    with opened(tmp_path) as cache:
        fill(cache, 5)
        beside = sqlite3.connect(tmp_path / "cache" / "index.db")
        beside.execute("INSERT INTO arguments SELECT 999, id, x'00', 0, 1.0, NULL FROM names")
        beside.execute("DELETE FROM calls WHERE id = 3")
        beside.commit()
        beside.close()
        assert verify(cache).found == {"orphan": 2}
        assert verify(cache, repair="quarantine").repaired == 2
        assert verify(cache).is_sound


def test_a_damaged_database_is_found(tmp_path):
    with opened(tmp_path) as cache:
        for number in range(300):
            cache.values.save([number] * 300)
    index = tmp_path / "cache" / "index.db"
    data = bytearray(index.read_bytes())
    middle = len(data) // 8192 * 4096
    data[middle : middle + 40] = bytes(40)
    index.write_bytes(data)
    with opened(tmp_path, read_only=True) as cache:
        assert verify(cache).found["database"] >= 1


# --- interruptions and refusals ------------------------------------------------------------------


class Interrupted(BaseException):
    pass


def test_an_interrupted_run_goes_on_where_it_was(cache, monkeypatch):
    keys = fill(cache)
    spoil(cache.values.backend, place_of(cache, result_of(cache, keys[3])))
    whole = verify(cache)
    module = sys.modules["fleche_like.maintenance.verify"]
    check = module.checked
    looked: list[Digest] = []
    least = 15

    def checked(values, digests, mapped):
        if len(looked) >= least > 0:
            raise Interrupted
        looked.extend(digests)
        return check(values, digests, mapped)

    monkeypatch.setattr(module, "checked", checked)
    with pytest.raises(Interrupted):
        verify(cache, resume=True)
    before, looked[:] = set(looked), []
    least = 0
    assert verify(cache, resume=True) == whole
    assert not before & set(looked)
    assert len(before) + len(looked) == whole.values
    assert not cache.values.backend.exists(POSITION)


def test_a_note_that_makes_no_sense_is_passed_over(cache):
    fill(cache, 3)
    cache.values.backend.put_bytes(POSITION, b'{"bucket": 200}')
    found = verify(cache, resume=True)
    assert found.is_sound
    assert found.values == len(set(cache.values.list()))


def test_repairing_what_was_opened_read_only_is_refused(tmp_path):
    opened(tmp_path).close()
    with opened(tmp_path, read_only=True) as cache:
        assert verify(cache).is_sound
        with pytest.raises(ReadOnlyError):
            verify(cache, repair="quarantine")


@pytest.mark.parametrize("repair", ["copy", 3, object()])
def test_what_nothing_can_be_fetched_from_is_refused(tmp_path, repair):
    with opened(tmp_path) as cache, pytest.raises(ConfigError):
        verify(cache, repair=repair)


def test_a_cache_is_not_repaired_from_itself(tmp_path):
    with opened(tmp_path) as cache, pytest.raises(ConfigError):
        verify(cache, repair=cache)


def test_values_in_no_byte_backend_are_refused():
    with pytest.raises(ConfigError, match="no byte backend"):
        verify(Cache(DictValues(), DictCalls()))


def test_a_large_report_lists_the_first_and_counts_all(tmp_path):
    values = BackendValueStorage(LocalBackend(tmp_path))
    cache: Any = Cache(values, DictCalls())
    for number in range(130):
        spoil(values.backend, place_of(cache, values.save([number])))
    found = verify(cache)
    assert found.found == {"value": 130}
    assert len(found.findings) == 100


def test_values_in_parts_are_checked_part_by_part(tmp_path):
    result = {"first": np.arange(60_000.0), "second": np.arange(60_000)}
    with opened(tmp_path, destructure_bytes=100_000) as cache:
        key = cache.save(Call("f", {}, result=result))
        copy = opened(tmp_path / "other", destructure_bytes=100_000)
        copy.save(Call("f", {}, result=result))
        parts = cache.values.references(result_of(cache, key))
        assert len(parts) == 2
        assert verify(cache).is_sound
        spoil(cache.values.backend, place_of(cache, parts[0]))
        cache.values.evict(parts[1])
        assert verify(cache).found == {"value": 1, "part": 1}
        found = verify(cache, repair=copy)
        assert (found.repaired, found.left) == (2, 0)
        assert np.array_equal(cache.lookup(key)["second"], result["second"])
        cache.values.evict(parts[1])
        assert verify(cache, repair="quarantine").left == 0
        assert cache.lookup(key) is MISSING
        assert verify(cache).is_sound
        copy.close()


def test_what_nobody_trusted_signed_is_found_and_stays(tmp_path):
    with opened(tmp_path, keys=generate_key()) as cache:
        stored = fill(cache, 6)
        assert verify(cache).is_sound
        digest = result_of(cache, stored[5])
        unsigned = BackendValueStorage(MemoryBackend())
        unsigned.save(call(5).result, digest)
        data = unsigned.backend.get_bytes(place_of(cache, digest))
        cache.values.backend.put_bytes(place_of(cache, digest), data)
        forged = seal_record(cache.load(stored[2]).digested)
        sql(cache, "UPDATE calls SET record = :r WHERE key = :k", r=forged, k=stored[2])
        assert verify(cache).found == {"value": 1, "record": 1}
        assert verify(cache, repair="quarantine").left == 2
        assert verify(cache).found == {"value": 1, "record": 1}
        assert right(cache, stored) == [2, 5]


def test_a_repair_without_the_right_keys_puts_nothing_aside(tmp_path):
    with opened(tmp_path, keys=generate_key()) as cache:
        stored = fill(cache, 6)
    with opened(tmp_path, keys=generate_key()) as cache:
        found = verify(cache, repair="quarantine")
        assert found.quarantined == 0
        assert found.found["record"] == found.calls == 6
    with opened(tmp_path, keys=False) as cache:
        assert verify(cache).is_sound
        assert right(cache, stored) == []
