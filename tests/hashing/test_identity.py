from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import itertools
import math
import pathlib
import random
import re
import struct
import types
import uuid
import zoneinfo
from typing import Any

import pytest

from fleche_like.hashing import digest

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


class Colour(enum.Enum):
    RED = 1
    ALIAS = 1  # noqa: PIE796 - an alias is meant
    GREEN = 2


class Shade(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Words(list):
    note: str

    def __iter__(self):
        raise RuntimeError("never asked")

    def __len__(self):
        raise RuntimeError("never asked")


class Text(str):
    __slots__ = ()


class Table(dict):
    __slots__ = ()


class Pair(tuple):
    __slots__ = ()


Named = collections.namedtuple("Named", "a b")  # noqa: PYI024 - the untyped kind is meant


@dataclasses.dataclass
class Point:
    x: int = 1
    hidden: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass
class Other:
    x: int = 1
    hidden: int = 0


def outer(module: str) -> Any:
    return type("Thing", (), {"__module__": module})()


def quiet_nan() -> float:
    return struct.unpack("<d", b"\x07\0\0\0\0\0\xf8\x7f")[0]


NAIVE = dt.datetime(2024, 1, 1)
DIFFERENT: list[Any] = [
    1, 1.0, True, "1", b"1", decimal.Decimal(1), fractions.Fraction(1), complex(1), (1,), [1], {1},
    frozenset({1}), {1: None}, {None: 1}, 0, 0.0, -0.0, False, None, "", b"", (), [], {}, set(),
    frozenset(), bytearray(), memoryview(b""), "None", "a", ["a"], ("a",), "ab", ["ab"], ["a", "b"],
    [["a"], "b"], ["a", ["b"]], [["a", "b"]], ["", "ab"], ["ab", ""], [b"ab"], [1, 2], [2, 1],
    [1, 2.0], [1.0, 2], [True, 2], [1.0, 2.0], (1, 2), {1: 2}, {2: 1}, [[1, 2]], [(1, 2)],
    {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, [{"a": 1}], [{"a": 1.0}], [{"b": 1}],
    2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**62, 2**63, 2**64, 2**90, -(2**90), 2**15, 2**30,
    math.nan, quiet_nan(), math.inf, -math.inf, complex(0, 0.0), complex(0, -0.0),
    complex(-0.0, 0), "\ud800", "\udc00", "\U00010000", "\ud800\udc00", "é", "e\u0301",
    "\0", "\0\0", b"\0", Words([1]), Words(), Text("a"), Text(), Table(a=1), Table(), Pair((1,)),
    Pair(), Named(1, 2), Named(2, 1), decimal.Decimal("1.0"), decimal.Decimal("NaN"),
    decimal.Decimal("-0"), decimal.Decimal(0), range(3), range(0), range(0, 0, 2), slice(3),
    slice(0, 3), slice(None), ..., NotImplemented, dt.date(2024, 1, 1), NAIVE,
    NAIVE.replace(fold=1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(0), "UTC2")),
    dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
    dt.datetime(2024, 1, 1, tzinfo=BERLIN),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), BERLIN, dt.time(0), dt.time(0, fold=1),
    dt.timedelta(0), dt.timedelta(1), dt.UTC, Colour.RED, Colour.GREEN, Shade.RED,
    Number.ONE, Access.READ, Access.READ | Access.WRITE, Access(0), uuid.UUID(int=1),
    pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), pathlib.PurePosixPath("a/b"),
    re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"), array.array("b", [1]),
    array.array("i", [1]), array.array("d", [1]), bytearray(b"1"), memoryview(b"1"),
    memoryview(b"1").cast("b"), collections.deque([1]), collections.deque([1], 3),
    collections.OrderedDict(a=1), collections.OrderedDict(a=1, b=2),
    collections.OrderedDict(b=2, a=1), collections.defaultdict(None, a=1),
    collections.defaultdict(list, a=1), collections.defaultdict(int, a=1),
    collections.Counter(a=1), collections.ChainMap({"a": 1}), collections.ChainMap({}, {"a": 1}),
    types.MappingProxyType({"a": 1}), types.SimpleNamespace(a=1), types.SimpleNamespace(b=1),
    random.Random(1), random.Random(2), Point(), Point(2), Point(1, 5), Other(), outer("a"),
    outer("b"), ValueError(1), TypeError(1), ValueError(2), ValueError(), list[int], list[str],
    dict, list, Point, Other, math, re, len, max, "x".join, "y".join, str.upper, str.lower,
    int | str, staticmethod(len), classmethod(type.mro), property(outer), property(None, print),
]  # fmt: skip


def test_values_that_differ_in_anything_have_different_digests() -> None:
    seen: dict[str, int] = {}
    for i, value in enumerate(DIFFERENT):
        key = digest(value)
        assert key not in seen, f"{value!r} and {DIFFERENT[seen[key]]!r}"
        seen[key] = i


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"k": x}, lambda x: (1, (x,))])
def test_they_differ_inside_containers_too(wrap: Any) -> None:
    assert len({digest(wrap(value)) for value in DIFFERENT}) == len(DIFFERENT)


def test_digest_again_agrees() -> None:
    assert [digest(v) for v in DIFFERENT] == [digest(v) for v in DIFFERENT]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Colour.RED, Colour.ALIAS),
        ({1, "a", 2.5}, {2.5, "a", 1}),
        (collections.Counter("ab"), collections.Counter({"a": 1, "b": 1})),
        (Point(1), Point(x=1)),
        (re.compile("a"), re.compile("a")),
        (Words([1]), Words((1,))),
        (types.SimpleNamespace(a=1), types.SimpleNamespace(a=1)),
    ],
)
def test_values_that_agree_in_type_and_representation_agree_in_digest(one: Any, other: Any) -> None:
    assert digest(one) == digest(other)


def test_an_ordered_dict_tells_its_order_after_moving_a_key() -> None:
    moved = collections.OrderedDict(a=1, b=2)
    moved.move_to_end("a")
    assert digest(moved) == digest(collections.OrderedDict(b=2, a=1))


def test_state_of_a_subclass_counts() -> None:
    one, other = Words([1]), Words([1])
    other.note = "x"
    assert digest(one) != digest(other)


def test_every_pair_of_containers_of_two_values_differs() -> None:
    makers: list[Any] = [list, tuple, set, frozenset, collections.deque, lambda x: dict.fromkeys(x)]
    pairs = list(itertools.permutations([1, 2.5, "a"], 2))
    ordered = {digest(make(p)) for make in makers for p in pairs}
    assert len(ordered) == 4 * 6 + 2 * 3
