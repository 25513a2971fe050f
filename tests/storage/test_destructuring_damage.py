"""A value one of whose parts is damaged or gone is a miss, and can be stored again."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest

from fleche_like.backends import DatabaseBackend, LocalBackend
from fleche_like.codecs import PartsCodec, Skeleton, seal
from fleche_like.errors import DamagedEnvelope, DecodeError, PartNotFound
from fleche_like.hashing import Digest, digest
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.layout import path
from fleche_like.support.sentinel import MISSING
from tests.storage.test_destructuring import same

LEAST = 4096
BIG = np.arange(2000.0)
LARGE_LIST = [float(n) for n in range(1000)]


def put_skeleton(values: BackendValueStorage, key: Digest, *parts: Digest) -> None:
    encoded = PartsCodec().encode(Skeleton(parts, pickle.dumps(None)))
    values.put_encoded(seal(key, "parts", encoded), key)


class Exploding:
    def __reduce__(self) -> Any:
        return _explode, ()


def _explode() -> None:
    raise RuntimeError("unpickled")


@pytest.fixture
def values(tmp_path):
    return BackendValueStorage(LocalBackend(tmp_path), destructure_bytes=LEAST)


def damage(values: BackendValueStorage, key: Digest) -> None:
    where = path(values.prefix, key)
    data = bytearray(values.backend.get_bytes(where))
    data[-9] ^= 1
    values.backend.put_bytes(where, data)


def test_a_missing_part_is_a_miss(values):
    key = values.save([BIG, 1])
    values.evict(digest(BIG))
    with pytest.raises(KeyError) as caught:
        values.load(key)
    assert isinstance(caught.value, PartNotFound)
    assert (caught.value.key, caught.value.part) == (key, digest(BIG))
    assert values.lookup(key) is MISSING


def test_a_damaged_part_is_put_aside_and_a_miss(values):
    key = values.save([BIG, 1])
    damage(values, digest(BIG))
    with pytest.raises(DamagedEnvelope):
        values.load(key)
    assert values.lookup(key) is MISSING
    aside = {
        name.rpartition("/")[2] for name in values.backend.list_prefix("quarantine", recursive=True)
    }
    assert aside == {key, digest(BIG)}


@pytest.mark.parametrize("look", [True, False])
@pytest.mark.parametrize("database", [True, False])
def test_a_value_is_whole_again_once_it_is_saved_again(tmp_path, values, look, database):
    if database:
        backend = DatabaseBackend(f"sqlite:///{tmp_path / 'x.db'}")
        values = BackendValueStorage(backend, destructure_bytes=LEAST)
    value = [BIG, [BIG, *LARGE_LIST], *range(LEAST)]
    key = values.save(value)
    values.evict(digest(BIG))
    if look:
        assert values.lookup(key) is MISSING
    values.save(value)
    assert same(values.load(key), value)
    values.close()


def test_a_damaged_container_unpickles_nothing(values):
    key = values.save([BIG, Exploding()])
    damage(values, key)
    with pytest.raises(DamagedEnvelope):
        values.load(key)


def test_what_cannot_be_unpickled_is_said_to_be_so(values):
    key = values.save([BIG, Exploding()], digest("exploding"))
    with pytest.raises(DecodeError):
        values.load(key)


def test_a_value_that_is_a_part_of_itself_is_damage(values):
    key, other = digest("a"), digest("b")
    put_skeleton(values, key, other)
    put_skeleton(values, other, key)
    assert values.references(key) == (other,)
    with pytest.raises(DamagedEnvelope, match="never end"):
        values.load(key)


def test_parts_without_end_are_damage(values):
    keys = [digest(n) for n in range(100)]
    for key, part in itertools.pairwise(keys):
        put_skeleton(values, key, part)
    with pytest.raises(DamagedEnvelope):
        values.load(keys[0])


def test_parts_that_multiply_are_damage(values, monkeypatch):
    monkeypatch.setattr("fleche_like.storage.divided.MOST_OBJECTS", 10_000)
    keys = [digest(n) for n in range(12)]
    for key, part in itertools.pairwise(keys):
        put_skeleton(values, key, *[part] * 1000)
    values.save(1, keys[-1])
    with pytest.raises(DamagedEnvelope, match="more than"):
        values.load(keys[0])


@pytest.mark.parametrize("cut", [0, 10, 40, 60, 90, -1])
def test_the_parts_of_what_was_cut_short_are_none(values, cut):
    key = values.save([BIG, 1])
    where = path(values.prefix, key)
    values.backend.put_bytes(where, values.backend.get_bytes(where)[:cut])
    assert values.references(key) == ()


def test_a_forged_list_of_parts_is_not_believed(values):
    key = values.save([BIG, 1])
    where = path(values.prefix, key)
    data = values.backend.get_bytes(where).replace(bytes.fromhex(digest(BIG)), bytes(16))
    values.backend.put_bytes(where, data)
    assert values.references(key) == ()
