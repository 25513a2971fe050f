"""What an envelope promises: nothing that is not exactly what was stored gets through."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.codecs import Encoded, seal, unseal, unseal_file
from fleche_like.codecs.envelope import unseal_small
from fleche_like.errors import CodecError, DamagedEnvelope, UnknownFormat

KEY = "values/3f/9a/3f9a"
SMALL = Encoded(b"payload")
WITH_BUFFERS = Encoded(b"stream", (b"a" * 100, b"", bytearray(range(70))))


def sealed(encoded: Encoded, key: str = KEY) -> bytes:
    return b"".join(seal(key, "pickle", encoded))


def opened(data: bytes, key: str = KEY) -> Any:
    return unseal(key, data)


def opened_from_file(data: bytes, key: str = KEY) -> Any:
    return unseal_file(key, io.BytesIO(data))


def contents(found: Any) -> tuple[str, bytes, list[bytes]]:
    return found.codec, bytes(found.payload), [bytes(buffer) for buffer in found.buffers]


both = pytest.mark.parametrize("open_it", [opened, opened_from_file])
each = pytest.mark.parametrize("encoded", [SMALL, WITH_BUFFERS], ids=["small", "buffers"])


def by_hand(key: str, codec: bytes, payload: bytes, buffers: list[bytes]) -> bytes:
    """The documented layout, written a second time."""
    table = b"".join(struct.pack("<Q", len(b)) + xxhash.xxh3_128(b).digest() for b in buffers)
    covered = struct.pack("<BBBHIQ", 0, 0, len(codec), 0, len(buffers), len(payload))
    covered += codec + table + payload
    name = key.encode()
    check = xxhash.xxh3_128(name + covered, seed=len(name)).digest()
    out = b"\x93FL\x01" + check + covered
    for buffer in buffers:
        out += b"\0" * (-len(out) % 64) + buffer
    return out


@given(
    st.text(max_size=20),
    st.binary(max_size=300),
    st.lists(st.binary(max_size=200), max_size=4),
)
def test_the_layout_is_the_documented_one(key: str, payload: bytes, buffers: list[bytes]) -> None:
    assert sealed(Encoded(payload, buffers), key) == by_hand(key, b"pickle", payload, buffers)


@pytest.mark.parametrize("size", [0, 1, 65_490, 65_536, 200_000])
@pytest.mark.parametrize("buffers", [[], [b"x" * 5000, b"y" * 130_000]])
@both
def test_what_was_sealed_is_opened(open_it: Callable, size: int, buffers: list[bytes]) -> None:
    payload = random.Random(size).randbytes(size)
    data = by_hand(KEY, b"some-codec", payload, buffers)
    assert contents(open_it(data)) == ("some-codec", payload, buffers)


@given(st.binary(max_size=200), st.integers(0, 400), st.binary(max_size=3))
def test_the_fast_way_agrees_with_the_plain_one(payload: bytes, at: int, noise: bytes) -> None:
    data = bytearray(sealed(Encoded(payload)))
    data[at : at + len(noise)] = noise
    try:
        found = opened(bytes(data))
        plain = (found.codec, bytes(found.payload))
    except CodecError:
        assert unseal_small(KEY, bytes(data)) is None
    else:
        assert unseal_small(KEY, bytes(data)) == plain


def test_a_small_value_costs_little_room() -> None:
    (part,) = seal(KEY, "pickle", SMALL)
    assert len(part) - len(SMALL.payload) <= 45


def test_large_parts_are_passed_on_without_a_copy() -> None:
    payload, buffer = bytes(100_000), bytearray(100_000)
    parts = seal(KEY, "pickle", Encoded(payload, (buffer,)))
    assert any(part is payload for part in parts)
    assert any(part is buffer for part in parts)


def test_buffers_begin_at_multiples_of_64() -> None:
    encoded = Encoded(b"x" * 7, (b"A" * 65, b"B" * 1, b"C" * 64))
    data = sealed(encoded)
    assert [data.index(mark) % 64 for mark in (b"A" * 65, b"B", b"C" * 64)] == [0, 0, 0]


@each
@both
def test_an_envelope_cut_at_any_length_is_damaged(open_it: Callable, encoded: Encoded) -> None:
    data = sealed(encoded)
    for length in range(len(data)):
        with pytest.raises(DamagedEnvelope) as caught:
            open_it(data[:length])
        assert caught.value.key == KEY


@each
@both
def test_any_flipped_bit_is_found(open_it: Callable, encoded: Encoded) -> None:
    data = sealed(encoded)
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DamagedEnvelope, UnknownFormat)) as caught:
            open_it(bytes(flipped))
        # Only a changed version can look like a later release's, and must not be thrown away.
        assert (type(caught.value) is UnknownFormat) <= (bit // 8 == 3)


@each
@both
def test_bytes_too_many_are_damage(open_it: Callable, encoded: Encoded) -> None:
    for more in (b"\0", b"x" * 100):
        with pytest.raises(DamagedEnvelope):
            open_it(sealed(encoded) + more)


@each
@both
def test_an_envelope_under_another_key_is_damage(open_it: Callable, encoded: Encoded) -> None:
    for key in ("values/3f/9a/3f9b", "", KEY + "\0", KEY[:-1]):
        with pytest.raises(DamagedEnvelope):
            open_it(sealed(encoded), key)


@both
def test_what_is_no_envelope_at_all_is_damage(open_it: Callable) -> None:
    for data in (b"", b"\x80\x05N.", b"\0" * 1000, bytes(range(256)) * 10):
        with pytest.raises(DamagedEnvelope):
            open_it(data)


@pytest.mark.parametrize("absurd", [2**31, 2**40, 2**63, 2**64 - 1])
@pytest.mark.parametrize("field", ["payload", "count", "buffer", "sealed buffer"])
@both
def test_absurd_claims_cost_no_memory(open_it: Callable, field: str, absurd: int) -> None:
    data = bytearray(sealed(WITH_BUFFERS))
    if field == "payload":
        struct.pack_into("<Q", data, 29, absurd)
    elif field == "count":
        struct.pack_into("<I", data, 25, min(absurd, 2**32 - 1))
    else:
        struct.pack_into("<Q", data, 43, absurd)
    if field == "sealed buffer":  # by somebody who can compute checksums
        end = 43 + 3 * 24 + len(WITH_BUFFERS.payload)
        data[4:20] = xxhash.xxh3_128_digest(KEY.encode() + data[20:end], seed=len(KEY))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedEnvelope):
            open_it(bytes(data))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("place", "flag"), [(20, 2), (20, 3), (21, 1)])
@both
def test_flags_of_a_later_release_are_not_damage(open_it: Callable, place: int, flag: int) -> None:
    data = bytearray(sealed(SMALL))
    data[place] = flag
    data[4:20] = xxhash.xxh3_128_digest(KEY.encode() + data[20:], seed=len(KEY))
    with pytest.raises(UnknownFormat):
        open_it(bytes(data))


def test_buffers_may_go_unverified_but_nothing_else() -> None:
    data = bytearray(sealed(WITH_BUFFERS))
    data[-1] ^= 1
    found = unseal(KEY, data, verify_buffers=False)
    assert bytes(found.buffers[2]) == bytes(data[-70:])
    with pytest.raises(DamagedEnvelope, match="buffer 2"):
        unseal(KEY, data)
    data[-71] ^= 1
    with pytest.raises(DamagedEnvelope, match="between"):
        unseal(KEY, data, verify_buffers=False)


class Dribbling(io.BytesIO):
    """Gives one read less than was asked for, as pipes, networks and huge files do."""

    def readinto(self, target: Any) -> int:
        return super().readinto(memoryview(target)[: max(1, len(target) // 3)])


def test_short_reads_are_put_together() -> None:
    found = unseal_file(KEY, Dribbling(sealed(WITH_BUFFERS)))
    assert contents(found) == ("pickle", b"stream", [bytes(b) for b in WITH_BUFFERS.buffers])


class Shrinking(io.BytesIO):
    """Ends earlier than its size said."""

    def seek(self, offset: int, whence: int = 0) -> int:
        place = super().seek(offset, whence)
        return place + 1000 if whence == io.SEEK_END else place


def test_a_file_that_shrinks_while_it_is_read_is_damage() -> None:
    data = by_hand(KEY, b"pickle", b"stream", [b"x" * 3000])
    with pytest.raises(DamagedEnvelope):
        unseal_file(KEY, Shrinking(data[:-1000]))
