"""Copying values from one storage to another: with their parts, unopened, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from fleche_like.backends import DatabaseBackend, MemoryBackend
from fleche_like.codecs import SafeCodec
from fleche_like.codecs.keys import generate_key, key_of
from fleche_like.codecs.signing import Signer
from fleche_like.errors import DamagedEnvelope, KeyNotFound, PartNotFound, UntrustedEnvelope
from fleche_like.hashing import Digest, digest
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.layout import path
from fleche_like.storage.replicate import ValueCopier, copy_value

BIG = np.arange(10_000.0)
IN_PARTS = [BIG, {"inner": BIG + 1}]
SIGNER = Signer([key_of(generate_key())])


def storage(**options):
    return BackendValueStorage(MemoryBackend(), destructure_bytes=1000, **options)


def stored(value, **options):
    values = storage(**options)
    return values, values.save(value, digest(value))


class Unloadable:
    """What must not be unpickled by whoever only moves it."""

    def __setstate__(self, state):
        raise AssertionError("somebody unpickled it")

    def __getstate__(self):
        return {"some": "state"}


def test_a_value_comes_with_its_parts():
    source, key = stored(IN_PARTS)
    target = storage()
    assert copy_value(source, target, key) > 2 * BIG.nbytes
    np.testing.assert_equal(target.load(key), IN_PARTS)
    assert copy_value(source, target, key) == 0


@pytest.mark.parametrize(
    "backend", [MemoryBackend, lambda: DatabaseBackend("sqlite://")], ids=["memory", "database"]
)
def test_what_is_there_already_is_not_written_again(backend):
    source, target = BackendValueStorage(backend()), storage()
    keys = [source.save([number], digest([number])) for number in range(3)]
    copier = ValueCopier(source, target)
    assert copier.copy(keys[:2]).written == 2
    assert copier.copy(keys).written == 1


@pytest.mark.parametrize("signer", [None, SIGNER])
def test_nothing_is_unpickled_also_where_others_sign(signer):
    source, key = stored(Unloadable())
    target = storage(signer=signer)
    copy_value(source, target, key)
    assert target.contains(key)
    with pytest.raises(Exception, match="somebody unpickled it"):
        target.load(key)


def test_a_part_that_the_target_lost_comes_again_at_once():
    source, key = stored(IN_PARTS)
    target = storage()
    copy_value(source, target, key)
    target.evict(source.references(key)[0])
    copy_value(source, target, key)
    np.testing.assert_equal(target.load(key), IN_PARTS)


def test_who_lacks_the_value_or_a_part_says_which():
    source, key = stored(IN_PARTS)
    with pytest.raises(KeyNotFound, match="f" * 32):
        copy_value(source, storage(), Digest("f" * 32))
    part = source.references(key)[1]
    source.evict(part)
    target = storage()
    with pytest.raises(PartNotFound, match=part) as caught:
        copy_value(source, target, key)
    assert caught.value.part == part
    assert not target.contains(key)


def test_damage_stays_where_it_is():
    source, key = stored(IN_PARTS)
    part = source.references(key)[0]
    where = path(source.prefix, part)
    data = bytearray(source.backend.get_bytes(where))
    data[-10] ^= 1
    source.backend.put_bytes(where, bytes(data))
    target = storage()
    with pytest.raises(DamagedEnvelope) as caught:
        copy_value(source, target, key)
    assert caught.value.key == part
    assert not target.contains(key)
    assert not target.contains(part)


def test_what_is_lost_is_told_and_the_rest_arrives():
    source, key = stored([1, 2])
    other = source.save("text", digest("text"))
    absent = digest("absent")
    target = storage()
    copied = ValueCopier(source, target).copy([key, absent, other, key])
    assert [*copied.lost] == [absent]
    assert (copied.written, {*target.list()}) == (2, {key, other})


def test_what_the_target_would_not_decode_does_not_go_there():
    """Both have the same codec, but the target trusts another one alone."""
    source, key = stored({"a": 1})
    target = storage(trusted={SafeCodec().name})
    with pytest.raises(UntrustedEnvelope):
        copy_value(source, target, key)
    assert not target.contains(key)


def test_another_codec_makes_it_anew():
    source, key = stored({"a": [1.5, None]})
    target = storage(codec=SafeCodec(), trusted={SafeCodec().name})
    copy_value(source, target, key)
    assert target.load(key) == {"a": [1.5, None]}
