from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from xxhash import xxh3_128

from fleche_like.hashing import arrays as implementation
from fleche_like.hashing import digest, encode, is_node, layout
from fleche_like.testing import strategies


def layouts(a: Any) -> list[Any]:
    wide = np.empty((*a.shape, 2), a.dtype)
    wide[..., 0] = a
    wide[..., 1] = a
    backwards = (..., *[slice(None, None, -1)] * a.ndim)
    flipped = a[backwards].copy()
    return [
        a.copy(),
        np.array(a, order="F"),
        wide[..., 0],
        flipped[backwards],
        a.T.copy().T,
        np.frombuffer(bytearray(a.tobytes()), a.dtype).reshape(a.shape) if a.size else a,
    ]


@given(strategies.arrays(foreign=True))
def test_layout_does_not_matter(a: Any) -> None:
    for other in layouts(a):
        assert digest(other) == digest(a)
    assert is_node(a)
    assert digest([a]) == digest([digest(a)])


def test_an_array_is_its_header_and_its_bytes() -> None:
    a = np.arange(6, dtype="<f8").reshape(2, 3)
    preimage = b"A" + encode("numpy.ndarray") + encode(("<f8", (2, 3))) + a.tobytes()
    assert digest(a) == xxh3_128(preimage).hexdigest()


SHAPES = [(1000,), (3, 500), (500, 3), (7, 11, 13), (30, 40, 1), (2, 2, 2, 50), (5, 1, 3, 2, 4)]


@pytest.mark.parametrize("slab", [16, 1000, 5000, 1 << 20])
@pytest.mark.parametrize("tile", [1, 100, 3000])
@pytest.mark.parametrize("shape", SHAPES)
def test_copies_in_slabs_and_tiles_give_the_same_digest(
    monkeypatch: pytest.MonkeyPatch, slab: int, tile: int, shape: Any
) -> None:
    numbers = np.random.default_rng(0).random(shape)
    monkeypatch.setattr(layout, "_SMALL_BYTES", 0)
    monkeypatch.setattr(layout, "_SLAB_BYTES", slab)
    monkeypatch.setattr(layout, "_TILE_BYTES", tile)
    monkeypatch.setattr(layout, "_RUN_BYTES", 2 * tile)
    for a in (numbers, numbers.astype("<f4"), numbers.astype("<M8[s]"), numbers > 0.5):
        for other in (
            *layouts(a),
            *(
                a.transpose(p).copy().transpose(np.argsort(p))
                for p in itertools.permutations(range(a.ndim))
            ),
        ):
            assert digest(other) == digest(a)


def test_native_arrays_agree_on_machines_of_either_byte_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There, what is native is spelt ``>f8``, and lies in memory that way."""
    codes = ("f8", "i2", "M8[s]", "c16")
    numbers = np.arange(6).reshape(2, 3)
    here: list[Any] = [
        *(numbers.astype("<" + c) for c in codes),
        numbers.astype("u1"),
        np.array(["aé", "b"]),
    ]
    there: list[Any] = [
        *(numbers.astype(">" + c) for c in codes),
        here[4],
        np.array(["aé", "b"], ">U2"),
    ]
    here += [np.dtype("<f4"), np.dtype("<i4,<f8")]
    there += [np.dtype(">f4"), np.dtype(">i4,>f8")]
    before = list(map(digest, here))
    monkeypatch.setattr(implementation, "_BIG_ENDIAN", True)
    assert list(map(digest, there)) == before


def test_large_arrays_are_not_copied() -> None:
    a = np.zeros((2048, 4096))
    fortran = np.asfortranarray(a)
    for value, limit in ((a, 1 << 20), (fortran, 16 << 20), (a[:, ::2], 16 << 20)):
        tracemalloc.start()
        digest(value)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < limit


a64 = np.arange(4, dtype="<i8")
DIFFERENT: list[Any] = [
    a64, a64.astype("<i4"), a64.astype("<u8"), a64.astype("<f8"), a64.astype(">i8"),
    a64.reshape(2, 2), a64.reshape(1, 4), a64.reshape(4, 1), a64[::-1], a64.tolist(),
    np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros(0, "<f4"), np.array(1), np.array([1]),
    np.int64(1), np.int32(1), np.float64(1), np.float32(1), np.bool_(True), 1, 1.0, True,
    np.array([0.0]), np.array([-0.0]), np.array(["a"]), np.array([b"a"]), np.array(["a", ""]),
    np.array(["a"], object), np.array([b"a"], object), np.array([["a"]], object), ["a"],
    np.array(["a"], np.dtypes.StringDType()), np.array(["b"], np.dtypes.StringDType()),
    np.datetime64("2024-01-01"), np.datetime64("2024-01-01T00"), np.timedelta64(1, "s"),
    np.timedelta64(1, "m"), np.array(["2024"], "M8[Y]"), np.array(["2024"], "M8[s]"),
    np.array([(1, 2)], "i4,i4"), np.array([(1, 2)], [("a", "i4"), ("b", "i4")]),
    np.array([(2, 1)], [("a", "i4"), ("b", "i4")]),
    np.array([(1, 2)], np.dtype([("a", "i1"), ("b", "i4")])),
    np.array([(1, 2)], np.dtype([("a", "i1"), ("b", "i4")], align=True)),
    np.array([[1, 2]], "i4"), np.ma.masked_array([1, 2], [False, True]),
    np.ma.masked_array([1, 2], [True, False]),
    np.ma.masked_array([1, 2]), np.ma.masked_array([1, 2], fill_value=7), np.array([1, 2]),
    np.zeros((1, 2), int).view(np.matrix), np.rec.array([(1, 2)], "i4,i4"), np.str_("a"),
    "a", np.bytes_(b"a"), b"a",
    np.void(b"a"), np.dtype("i4"), np.dtype(">i4"), np.dtype("i4,i4"), np.float64, np.sin, np.cos,
    np.random.default_rng(1), np.random.default_rng(2), np.random.RandomState(1),
    np.random.PCG64(1), np.random.MT19937(1), np.ones(2, np.longdouble), np.ones(2, np.clongdouble),
    np.longdouble(1), np.zeros(2, "V3"), np.complex64(1), np.complex128(1), 1 + 0j,
]  # fmt: skip


def test_arrays_and_scalars_that_differ_in_anything_have_different_digests() -> None:
    digests = [digest(value) for value in DIFFERENT]
    assert len(set(digests)) == len(digests)
    assert digests == [digest(value) for value in DIFFERENT]
    assert len({digest([value]) for value in DIFFERENT}) == len(digests)


def test_padding_is_no_part_of_the_value() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "<f8")], align=True)
    one, other = np.zeros(3, dtype), np.frombuffer(bytearray(b"\xff" * 48), dtype).copy()
    for name in dtype.names or ():
        one[name] = other[name] = 1
    assert one.tobytes() != other.tobytes()
    assert digest(one) == digest(other)


def test_padding_of_long_doubles_is_no_part_of_the_value() -> None:
    raw = np.ones(3, np.longdouble)
    if raw.dtype.itemsize != 16 or np.finfo(raw.dtype).nmant != 63:
        pytest.skip("long doubles have no padding here")
    other = raw.copy()
    other.view(np.uint8).reshape(-1, 16)[:, 10:] = 0xAB
    assert digest(raw) == digest(other)


def test_memory_maps_are_plain_arrays(tmp_path: Path) -> None:
    a = np.arange(10.0)
    np.save(tmp_path / "a.npy", a)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert type(mapped) is np.memmap
    assert digest(mapped) == digest(a)


def test_subclasses_keep_their_name_and_attributes() -> None:
    class Tagged(np.ndarray):
        unit: str

    one = np.arange(3).view(Tagged)
    other = np.arange(3).view(Tagged)
    assert digest(one) == digest(other) != digest(np.arange(3))
    other.unit = "m"
    assert digest(one) != digest(other)


def test_object_arrays_hold_any_value_in_c_order() -> None:
    a = np.array([[1, "a"], [None, {2}]], dtype=object)
    assert digest(a) == digest(np.asfortranarray(a)) != digest(a.T)
    nested = np.empty(1, dtype=object)
    nested[0] = np.arange(3)
    assert digest(nested) == digest(nested.copy())


def test_memory_order_of_extension_strings_does_not_matter() -> None:
    a = np.array([["a", "b"], ["c", "d"]], dtype=np.dtypes.StringDType())
    assert digest(a) == digest(np.asfortranarray(a)) != digest(a.T)
