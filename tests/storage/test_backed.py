"""Value and call storages over byte backends: damage, layout, mapping, failures."""

from __future__ import annotations

import errno
import pickle

import numpy as np
import pytest

from fleche_like.backends import LocalBackend, MemoryBackend
from fleche_like.errors import DamagedEnvelope, DecodeError, EncodeError, SaveError
from fleche_like.hashing import digest
from fleche_like.storage import BackendCallStorage, BackendValueStorage
from fleche_like.support.sentinel import MISSING
from tests.storage.places import call


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def values(folder):
    return BackendValueStorage(LocalBackend(folder))


def file_of(folder, key, prefix="values"):
    return folder / prefix / key[:2] / key[2:4] / key


class Hostile:
    """Pickles well and raises when it is read back."""

    def __reduce__(self):
        return _explode, ()


def _explode():
    raise RuntimeError("no such luck")


def test_a_digest_lives_in_the_shard_of_its_first_four_characters(values, folder):
    assert file_of(folder, values.save("value")).is_file()


def test_a_value_that_is_there_is_not_written_again(values, folder):
    key = values.save("value")
    before = file_of(folder, key).stat()
    values.save("value")
    after = file_of(folder, key).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("array", [np.arange(100_000), np.zeros((3, 0)), np.arange(6.0)[::2]])
def test_arrays_come_back_equal_writable_and_unshared(values, array):
    key = values.save(array)
    first, second = values.load(key), values.load(key)
    np.testing.assert_array_equal(first, array)
    if first.size:
        first[...] = 7
        np.testing.assert_array_equal(second, array)
        np.testing.assert_array_equal(values.load(key), array)


def test_mapped_arrays_are_private_to_each_load(folder):
    array = np.arange(1_000_000)
    values = BackendValueStorage(LocalBackend(folder), mmap=True)
    key = values.save(array)
    mapped = values.load(key)
    mapped[0] = 99
    np.testing.assert_array_equal(values.load(key), array)


def damage_truncated(data):
    return data[: len(data) // 2]


def damage_flipped(data):
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


def damage_emptied(data):
    return b""


DAMAGES = [damage_truncated, damage_flipped, damage_emptied]


@pytest.mark.parametrize("value", ["small", np.arange(100_000)], ids=["small", "array"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_value_is_an_error_to_load_and_a_miss_to_look_up(values, folder, damage, value):
    key = values.save(value)
    file = file_of(folder, key)
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    with pytest.raises(DamagedEnvelope):
        values.load(key)
    assert values.lookup(key) is MISSING
    assert not values.contains(key)
    assert (folder / "quarantine" / "values" / key[:2] / key[2:4] / key).read_bytes() == damaged
    values.save(value)
    assert values.lookup(key) is not MISSING


def test_a_swapped_value_is_damage(values, folder):
    first, second = values.save("first"), values.save("second")
    file_of(folder, second).write_bytes(file_of(folder, first).read_bytes())
    assert values.lookup(second) is MISSING
    assert values.load(first) == "first"


def test_a_value_whose_unpickling_raises_is_reported_with_its_cause(values):
    key = values.save(Hostile(), digest("hostile"))
    with pytest.raises(DecodeError) as caught:
        values.lookup(key)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert values.contains(key)


def test_what_does_not_pickle_is_a_save_error_naming_the_type(values):
    with pytest.raises(SaveError) as caught:
        values.save((n for n in [1]), digest("generator"))
    assert isinstance(caught.value, EncodeError)
    assert "generator" in str(caught.value)


def test_a_full_disk_is_an_os_error_and_leaves_nothing(monkeypatch, values):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(values.backend), "put_parts", full)
    with pytest.raises(OSError, match="No space") as caught:
        values.save("value")
    assert caught.value.errno == errno.ENOSPC
    assert [*values.list()] == []


def test_foreign_files_are_passed_over(values, folder):
    key = values.save("value")
    (folder / "values" / "README").write_text("hello")
    file_of(folder, key).with_name("notes.txt").write_text("hello")
    assert [*values.list()] == [key]
    assert values.shrink(key) == key[:4]


def test_a_damaged_record_is_a_miss_and_put_aside(folder):
    calls = BackendCallStorage(LocalBackend(folder))
    key = calls.save(call("f", x=1))
    file_of(folder, key, "calls").write_bytes(b"garbage")
    with pytest.raises(DamagedEnvelope):
        calls.load(key)
    assert calls.lookup(key) is MISSING
    assert not calls.contains(key)


def test_a_value_in_place_of_a_record_is_refused():
    backend = MemoryBackend()
    calls = BackendCallStorage(backend)
    values = BackendValueStorage(backend, prefix="calls/")
    key = call("f").key
    values.save("value", key)
    with pytest.raises(DamagedEnvelope):
        calls.load(key)


def test_one_backend_serves_values_and_calls_apart():
    backend = MemoryBackend()
    values, calls = BackendValueStorage(backend), BackendCallStorage(backend)
    value, key = values.save(1), calls.save(call("f"))
    assert [*values.list()] == [value]
    assert [*calls.list()] == [key]


def test_storages_pickle_with_their_configuration(values):
    key = values.save("value")
    twin = pickle.loads(pickle.dumps(values))
    assert twin.load(key) == "value"
