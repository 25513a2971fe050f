from __future__ import annotations

import itertools
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128

from fleche_like.hashing import arrays as implementation
from fleche_like.hashing import copying, digest, encode, is_node, layout
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


@st.composite
def strided(draw: Any) -> Any:
    """Views of an array by any chain of steps, permutations and repetitions."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    size = draw(st.sampled_from([1, 2, 3, 4, 8, 12, 16, 24, 32, 80]))
    raw = np.frombuffer(np.random.default_rng(0).bytes(math.prod(shape) * size + 1), np.uint8)
    a: Any = raw[draw(st.integers(0, 1)) :][: math.prod(shape) * size].view(f"V{size}")
    a = a.reshape(shape).transpose(draw(st.permutations(range(len(shape)))))
    for axis in range(a.ndim):
        step = draw(st.sampled_from([1, 1, 2, -1, -2, 3]))
        a = a[(slice(None),) * axis + (slice(None, None, step),)]
    if draw(st.booleans()):
        where = draw(st.integers(0, a.ndim))
        wider = np.expand_dims(a, where)
        a = np.broadcast_to(wider, (*a.shape[:where], 3, *a.shape[where:]))
    return a


LIMITS = [
    (layout, "_SLAB_BYTES"), (layout, "_USUAL_BYTES"), (layout, "_RUN_BYTES"),
    (copying, "_TILE_BYTES"), (copying, "_RUN_BYTES"), (copying, "_PART_BYTES"),
    (copying, "_LEAST_ACROSS"),
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(strided(), st.lists(st.sampled_from([1, 8, 50, 400, 1 << 20]), min_size=7, max_size=7))
def test_copies_in_slabs_and_tiles_give_the_elements_in_c_order(a: Any, limits: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "_SMALL_BYTES", 0)
        for (module, name), limit in zip(LIMITS, limits, strict=True):
            patch.setattr(module, name, limit)
        copied = b"".join(block.tobytes() for block in layout.blocks(a))
    assert copied == a.tobytes("C")


BIG = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 700), np.uint8)


@pytest.mark.parametrize("axes", [*itertools.permutations(range(4))])
@pytest.mark.parametrize("dtype", ["u1", "<f4", "<M8[s]", "V3", "V28"])
def test_large_arrays_of_any_order_of_axes_are_hashed_as_contiguous_ones(
    axes: Any, dtype: str
) -> None:
    size = np.dtype(dtype).itemsize
    held = np.ascontiguousarray(BIG[..., : 700 // size * size]).view(dtype)
    for a in (held.transpose(axes), held.transpose(axes)[::-1, :, ::2]):
        assert digest(a) == digest(np.ascontiguousarray(a))


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
    thin = a.reshape(4, -1)
    turned = np.asfortranarray(a.view("u1").reshape(256, 256, -1))
    for value, limit in (
        (a, 1 << 20), *((other, 16 << 20) for other in (fortran, a[:, ::2], thin.T, turned)),
    ):  # fmt: skip
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
