"""The safe codec: what comes back is what was stored, and hostile bytes do nothing."""

from __future__ import annotations

import io
import json
import pickle
import random
import tracemalloc
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from fleche_like.codecs import SafeCodec, get_codec
from fleche_like.codecs.safe import MAX_DEPTH
from fleche_like.codecs.serial import decode
from fleche_like.errors import DecodeError, EncodeError
from fleche_like.hashing import digest
from fleche_like.testing import strategies

CODEC = SafeCodec()


def there_and_back(value: Any) -> Any:
    payload, buffers = CODEC.encode(value)
    return CODEC.decode(bytes(payload), [bytearray(buffer) for buffer in buffers])


def document(node: Any, blocks: bytes = b"") -> bytes:
    text = node if isinstance(node, bytes) else json.dumps(node).encode()
    return len(text).to_bytes(8, "little") + text + blocks


def array(dtype: Any, shape: list[int], size: int, blocks: bytes | None = None) -> bytes:
    node = {"": "numpy:array", "d": dtype, "s": shape, "f": False, "n": size}
    return document(node, b"x" * size if blocks is None else blocks)


FRAME = pd.DataFrame({"n": [1, 2], "x": [1.5, None], "s": ["a", "b"], "o": [(1,), None]})
HELD = [
    *(None, True, 0, -(2**70), 2**3000, -0.0, float("nan"), -float("nan"), float("inf"), 1e-310),
    *("", "\ud83d\ude00", "\ud800", "é\0", b"", b"x" * 5000, bytearray(b"abc"), 1 - 2j),
    *([], [1, 2**2000], [1.5, float("nan")], [True, None, "x"], (1, (2,)), {1, "a"}),
    *(frozenset({(1,)}), {"": 1}, {1: 2, (3, 4): [5]}, {"a": {"": {"b": ()}}}),
    *(range(3), slice(1, None), ..., Decimal("-0E+5"), Decimal("sNaN1"), Fraction(1, 3)),
    *(UUID(int=5), date(2020, 2, 29), timedelta(-1, 5, 7), time(1, 2, fold=1), digest(1)),
    datetime(2020, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1),
    datetime(2020, 1, 1, tzinfo=UTC),
    time(1, tzinfo=timezone(timedelta(hours=-3, seconds=1), "x")),
    *(np.arange(5), np.arange(3000.0).reshape(60, 50).T, np.zeros((0, 3)), np.array(5)),
    *(np.float32(1), np.datetime64("2020"), np.timedelta64(3, "ns"), np.array(["a", "bc"])),
    *(np.zeros(2, ">i4"), np.arange(6)[::2], np.bool_(True), np.array([b"x"]), np.longdouble(3)),
    np.zeros(3, [("a", "i4", (2,)), ("b", "S3")]),
    np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    FRAME,
    FRAME.set_index("s").set_flags(allows_duplicate_labels=False),
    pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], ordered=True)}),
    pd.DataFrame({"t": pd.date_range("2020", periods=3, tz="Europe/Paris")}),
    pd.DataFrame({"t": [1, 2, 3]}, index=pd.date_range("2020", periods=3)),
    pd.DataFrame({"i": pd.array([1, None]), "s": pd.array(["a", None], dtype="string")}),
    pd.Series([1, 2], index=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]), name="q"),
    *(pd.Index(["a"]), pd.Timestamp("2020", tz="UTC"), pd.Timedelta(5, "ns"), pd.NaT, pd.NA),
    pd.DataFrame([[1, 2]], columns=["a", "a"]),
    pd.DataFrame(np.arange(9000.0).reshape(3000, 3)),
    *(pa.array([1, None, 3]), pa.array(["a", None]), pa.array([[1, 2], None]), pa.nulls(5)),
    *(pa.array([{"a": 1}, None])[1:], pa.array(["a", "b", "a"]).dictionary_encode()),
    *(pa.array(range(10_000))[5000:5010], pa.table({"a": [1, 2]}), pa.chunked_array([[1], [2]])),
    *(pa.record_batch({"a": [1]}), pa.array([1], pa.timestamp("us", "UTC"))),
    *(pl.DataFrame({"a": [1], "s": ["x"], "l": [[1]]}), pl.Series("q", [1, None])),
    {"frame": FRAME, "arrays": [np.arange(3), (np.float64(1),)]},
]


@pytest.mark.parametrize("value", HELD, ids=lambda value: f"{type(value).__name__}")
def test_what_it_holds_comes_back_with_its_digest(value: Any) -> None:
    found = there_and_back(value)
    assert type(found) is type(value)
    assert digest(found) == digest(value)


@given(strategies.all_values())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_value_comes_back_with_its_digest_or_is_refused(value: Any) -> None:
    try:
        payload, buffers = CODEC.encode(value)
    except EncodeError:
        return
    found = CODEC.decode(bytes(payload), [bytearray(buffer) for buffer in buffers])
    assert digest(found) == digest(value)


class Text(str):
    __slots__ = ()


class Bomb:
    def __reduce__(self) -> Any:
        return print, ("code ran",)


@pytest.mark.parametrize(
    "value",
    [
        *(object(), print, Bomb(), Text("x"), int, lambda: 1, io.BytesIO(), {"a": Bomb()}),
        *(
            np.array([None]),
            np.ma.zeros(3),
            np.zeros(2, [("o", object)]),
            np.zeros(2).view(np.matrix),
        ),
        pd.DataFrame({"o": [Bomb()]}),
        pd.Series(pd.period_range("2020", periods=2)),
        pa.array(["a"], pa.string_view()),
        np.zeros(2, np.dtype({"names": ["a"], "formats": ["i4"], "titles": ["t"]})),
        pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64(), metadata={"k": "v"})])),
        ZeroDivisionError("x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_it_cannot_hold_is_refused_by_name(value: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(value)
    assert "safe codec" in str(caught.value)
    assert caught.value.kind


def test_nesting_has_a_bound() -> None:
    for depth, fits in ((MAX_DEPTH - 1, True), (MAX_DEPTH + 5, False), (100_000, False)):
        value: Any = 0
        for _ in range(depth):
            value = [value, ()]
        if fits:
            assert there_and_back(value) == value
        else:
            with pytest.raises(EncodeError):
                CODEC.encode(value)
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(EncodeError):
        CODEC.encode(cycle)


def test_arrays_come_back_writable_and_large_ones_are_not_copied_into_the_document() -> None:
    array = np.arange(100_000.0)
    payload, buffers = CODEC.encode({"a": array, "b": np.arange(3)})
    assert len(payload) < 1000
    assert [len(buffer) for buffer in buffers] == [array.nbytes]
    found = there_and_back([array, np.arange(3)])
    for each in found:
        each[0] = 7


def test_it_is_registered_by_its_name() -> None:
    assert isinstance(get_codec("safe"), SafeCodec)


# --- hostile documents ---

HOSTILE = {
    "no head": b"",
    "cut short": (2**60).to_bytes(8, "little") + b"[]",
    "deeper than is written": document(b"[" * 150 + b"]" * 150),
    "deep lists": document(b"[" * 200_000 + b"]" * 200_000),
    "deep objects": document(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "deep tags": document(b'{"":"tuple","v":[' * 300 + b"]}" * 300),
    "unknown tag": document({"": "os.system", "v": "true"}),
    "a module as a tag": document({"": "os:system", "v": "true"}),
    "a tag that is no text": document({"": ["tuple"], "v": []}),
    "NaN": document(b"NaN"),
    "more bytes than there are": document({"": "bytes", "n": 2**62}),
    "negative size": document({"": "bytes", "n": -1}),
    "bytes left over": document({"": "bytes", "n": 1}, b"ab"),
    "the same bytes twice": document([{"": "bytes", "n": 3}, {"": "bytes", "n": 3}], b"abc"),
    "a size that is a bool": document({"": "bytes", "n": True}, b"a"),
    "unhashable in a set": document({"": "set", "v": [[1]]}),
    "a zone outside": document(
        {"": "datetime", "v": "2020-01-01", "z": "../../etc/passwd", "f": 0}
    ),
    "object dtype": array("|O8", [1], 8),
    "dtype by name": array("object", [1], 8),
    "a dtype that is code": array("__import__('os')", [], 0),
    "dtype without size": array("|S0", [2**40], 0),
    "huge shape": array("<f8", [2**40], 8),
    "shape that overflows": array("<f8", [2**61, 2**61, 0], 0),
    "memory without bytes": array("<f8", [2**26], 0),
    "more bytes than the shape asks for": array("<f8", [1], 16),
    "negative shape": array("<f8", [-1, -1], 8),
    "many axes": array("|u1", [1] * 100_000, 1),
    "objects in a structure": array(
        {"fields": [["a", "|O8", [], 0]], "size": 8, "align": False}, [1], 8
    ),
    "fields outside": document(
        {
            "": "numpy:scalar",
            "d": {"fields": [["a", "<i8", [], 2**30]], "size": 8, "align": False},
            "n": 8,
        },
        b"x" * 8,
    ),
    "arrow offsets outside": document(
        {"": "pyarrow:array", "t": "string", "a": [2, [None, 12, 2]]},
        np.array([0, 2**30, 2**30], "<i4").tobytes() + b"ab",
    ),
    "arrow offsets that go back": document(
        {"": "pyarrow:array", "t": "string", "a": [2, [None, 12, 2]]},
        np.array([0, 2**30, 2], "<i4").tobytes() + b"ab",
    ),
    "arrow text that is none": document(
        {"": "pyarrow:array", "t": "string", "a": [1, [None, 8, 1]]},
        np.array([0, 1], "<i4").tobytes() + b"\xff",
    ),
    "arrow longer than its bytes": document(
        {"": "pyarrow:array", "t": "int64", "a": [10**6, [None, 8]]}, b"x" * 8
    ),
    "arrow bitmap too short": document(
        {"": "pyarrow:array", "t": "int64", "a": [1, [0, 8]]}, b"x" * 8
    ),
    "arrow length beyond": document({"": "pyarrow:array", "t": "null", "a": [2**62, [None]]}),
    "arrow indices outside": document(
        {
            "": "pyarrow:array",
            "t": ["dictionary", "int32", "int64", False],
            "a": [[1, [None, 4]], [1, [None, 8]]],
        },
        np.array([77], "<i4").tobytes() + b"x" * 8,
    ),
    "arrow extension": document({"": "pyarrow:array", "t": "arrow.py_extension_type", "a": []}),
    "a frame of a scalar": document(
        {"": "pandas:frame", "c": 1, "i": 1, "d": [], "a": {}, "u": False}
    ),
    "a masked column of another dtype": document(
        {
            "": "pandas:series",
            "n": None,
            "i": {"": "pandas:range", "v": [0, 1, 1], "n": None},
            "d": [
                "masked",
                "Int64",
                {"": "numpy:array", "d": "|u1", "s": [1], "f": False, "n": 1},
                {"": "numpy:array", "d": "|b1", "s": [1], "f": False, "n": 1},
            ],
            "a": {},
            "u": False,
        },
        b"xx",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_an_error_and_little_memory(name: str) -> None:
    data = HOSTILE[name]
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decode("key", "safe", data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * len(data) + (8 << 20)


def test_a_buffer_is_used_once() -> None:
    node = {"": "bytes", "n": 5000}
    assert CODEC.decode(document(node), [b"x" * 5000]) == b"x" * 5000
    for nodes, buffers in (([node, node], 1), (node, 2), (node, 0)):
        with pytest.raises(ValueError, match="binary data"):
            CODEC.decode(document(nodes), [b"x" * 5000] * buffers)


def test_damaged_bytes_never_crash_and_never_run_code() -> None:
    """Random damage and splices of everything that it holds, with the envelope out of the way."""
    drawn = random.Random(5)
    encoded = [CODEC.encode(value) for value in HELD]
    for _ in range(4000):
        payload, buffers = drawn.choice(encoded)
        data = bytearray(payload)
        for _ in range(drawn.randint(1, 4)):
            place = drawn.randrange(8, max(9, len(data)))
            match drawn.randrange(4):
                case 0 if place < len(data):
                    data[place] = drawn.randrange(256)
                case 1:
                    del data[place : place + drawn.randint(1, 4)]
                case 2:
                    other = bytes(drawn.choice(encoded)[0])
                    data[place:place] = other[8 : 8 + drawn.randint(1, 40)]
                case _:
                    data[place : place + 1] = str(drawn.choice([-1, 0, 7, 2**31, 2**63])).encode()
        if drawn.random() < 0.7:
            end = bytes(data).rfind(b"}") + 1 or len(data)
            data[:8] = max(0, end - 8).to_bytes(8, "little")
        try:
            found = CODEC.decode(bytes(data), [bytearray(buffer) for buffer in buffers])
        except Exception:  # any error is an answer
            continue
        assert not isinstance(found, Bomb)


def test_nothing_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    for value in HELD:
        there_and_back(value)
