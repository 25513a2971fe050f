"""Known traps of caching by arguments: what looks alike, what changes, what is used up."""

from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import enum
import fractions
import io
import os
import pathlib
import subprocess
import sys
import types
import zoneinfo
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import fleche_like as fl

pytestmark = pytest.mark.usefixtures("cache")


def fresh() -> Any:
    """A function that tells everything about its argument that a body could see."""

    @fl.memoize(code="none")
    def tell(x):
        return type(x).__module__, type(x).__qualname__, repr(x)

    return tell


class IntEnum(enum.IntEnum):
    ONE = 1


class StrEnum(enum.StrEnum):
    ONE = "1"


class OtherInt(int):
    pass


class Pair(NamedTuple):
    x: int


PARIS = zoneinfo.ZoneInfo("Europe/Paris")
TWICE = dt.datetime(2024, 10, 27, 2, 30, tzinfo=PARIS)

EQUAL_BUT_DIFFERENT = [
    (1, True),
    (0, False),
    (1, 1.0),
    (0.0, -0.0),
    (1, decimal.Decimal(1)),
    (1, fractions.Fraction(1)),
    (1, IntEnum.ONE),
    ("1", StrEnum.ONE),
    (1, OtherInt(1)),
    (1, complex(1)),
    (1, np.int64(1)),
    (np.int32(1), np.int64(1)),
    (1.0, np.float64(1.0)),
    (True, np.True_),
    ("a", np.str_("a")),
    ((1, 2), [1, 2]),
    ({1: 2}, collections.OrderedDict({1: 2})),
    ({1: 2}, collections.defaultdict(int, {1: 2})),
    ({1: 2}, types.MappingProxyType({1: 2})),
    ({1}, frozenset({1})),
    (b"a", bytearray(b"a")),
    ({1: "x"}, {True: "x"}),
    ({1: "x"}, {1.0: "x"}),
    ([1], [True]),
    ([0.0], [-0.0]),
    (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (range(0), range(1, 1)),
    (TWICE, TWICE.replace(fold=1)),
    (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, 1, tzinfo=PARIS)),
    (collections.Counter(a=1), {"a": 1}),
    (Pair(1), (1,)),
    (collections.deque([1]), collections.deque([1], maxlen=3)),
    (pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a")),
    (array.array("i", [1]), array.array("l", [1])),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EQUAL_BUT_DIFFERENT, ids=repr)
def test_equal_looking_values_of_different_kinds(one, other):
    tell = fresh()
    for value in (one, other, one, other):
        assert tell(value) == tell.__wrapped__(value)
    assert tell.stats().misses == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.arange(4), np.arange(4).reshape(2, 2)),
        (np.arange(4), np.arange(4.0)),
        (np.array([1, 2], ">i4"), np.array([1, 2], "<i4")),
        (np.zeros(0), np.zeros((0, 3))),
        (np.array(["a"]), np.array(["a"], dtype=object)),
        (np.ma.array([1, 2], mask=[False, True]), np.array([1, 2])),
        (np.array([np.datetime64("2024", "D")]), np.array([np.datetime64("2024", "s")])),
        (pd.Series([1, 2], name="a"), pd.Series([1, 2], name="b")),
        (pd.Series([1, 2]), pd.Series([1, 2], index=[1, 0])),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"b": [1], "a": [1]})),
        (pd.Series([1, 2]), pd.Series([1, 2], dtype="Int64")),
        (pd.Series(["a"], dtype="category"), pd.Series(["a"])),
    ],
)
def test_arrays_and_frames_whose_bytes_agree(one, other):
    assert fresh().key(one) != fresh().key(other)


def test_fortran_order_is_the_same_array():
    total = fl.memoize(code="none")(lambda a: float(a.sum()))
    matrix = np.arange(6.0).reshape(2, 3)
    assert total(matrix) == total(np.asfortranarray(matrix)) == total(matrix[::-1][::-1]) == 15.0
    assert total.stats().misses == 1


def test_an_argument_mutated_after_the_call_is_another_argument():
    length = fl.memoize(code="none")(lambda xs: len(xs))
    xs = [1]
    assert length(xs) == 1
    xs.append(2)
    assert length(xs) == 2
    xs.pop()
    assert length(xs) == 1
    assert length.stats().misses == 2


def test_an_argument_mutated_by_the_body_is_stored_as_it_came():
    @fl.memoize
    def drain(xs):
        total = sum(xs)
        xs.clear()
        return total

    assert drain([1, 2]) == 3
    assert drain.query().one().arguments["xs"] == [1, 2]
    assert drain([1, 2]) == 3
    assert drain([]) == 0


def test_a_mutated_result_does_not_reach_the_next_caller(either_cache):
    @fl.memoize
    def make(x):
        return {"list": [x], "array": np.arange(3)}

    for _ in range(4):
        result = make(1)
        assert result["list"] == [1]
        assert result["array"].tolist() == [0, 1, 2]
        result["list"].append(2)
        result["array"][0] = 9


def test_a_result_that_is_the_argument_is_the_callers_own():
    @fl.memoize
    def same(xs):
        return xs

    given = [1]
    assert same(given) is given
    given.append(2)
    assert same([1]) == [1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: iter([1, 2]),
        lambda: (x for x in [1, 2]),
        lambda: map(str, [1, 2]),
        lambda: zip([1], [2], strict=True),
        lambda: io.StringIO("12"),
        lambda: os.scandir("."),
    ],
)
def test_iterators_and_files_are_not_consumed_by_looking_at_them(make):
    @fl.memoize
    def take(xs):
        return len(list(xs))

    expected = len(list(make()))
    with pytest.warns(fl.NotCachedWarning):
        assert take(make()) == expected
    assert take(make()) == expected


def test_shared_and_copied_substructures_are_one_value():
    tell = fresh()
    part = [1]
    shared, copied = [part, part], [[1], [1]]
    assert tell(shared) == tell(copied)
    assert tell.stats().misses == 1


def test_interned_and_computed_texts_are_one_value():
    tell = fresh()
    tell(["ab", "ab"])
    tell([bytes([97, 98]).decode(), bytes([97, 98]).decode()])
    assert tell.stats().misses == 1


def test_hash_seeds_do_not_matter():
    program = (
        "import fleche_like as fl, sys\n"
        "f = fl.memoize(code='none')(lambda x: x)\n"
        "print(f.key({'a', 'b', 'c', ('d', 1), frozenset({'e', 'f'})}))\n"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in (0, 1, 2)
    }
    assert len(keys) == 1


def test_nan_is_a_hit_for_nan():
    is_nan = fl.memoize(code="none")(lambda x: x != x)
    assert is_nan(float("nan"))
    assert is_nan(float("-nan") * 1)
    assert is_nan(float("nan"))
    assert is_nan.stats().hits >= 1


def test_none_and_falsy_results_are_hits(either_cache):
    runs = []

    @fl.memoize(code="none")
    def nothing(x):
        runs.append(x)
        return x

    falsy: list[Any] = [None, 0, 0.0, False, "", b"", (), [], {}, set()]
    for value in falsy:
        assert nothing(value) == value
        assert nothing(value) == value
    assert len(runs) == 10


def test_missing_keys_and_errors_of_the_body_are_not_taken_for_misses():
    runs = []

    @fl.memoize(code="none")
    def look(x):
        runs.append(x)
        raise KeyError(x)

    for _ in range(2):
        with pytest.raises(KeyError):
            look(1)
    assert runs == [1, 1]


def test_self_containing_arguments_do_not_hang():
    @fl.memoize
    def size(xs):
        return len(xs)

    ring: list[Any] = [1]
    ring.append(ring)
    with pytest.warns(fl.NotCachedWarning):
        assert size(ring) == 2


def test_very_long_and_very_deep_arguments():
    @fl.memoize
    def first(xs):
        return type(xs).__name__

    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    assert first(deep) == first(deep) == "list"
    assert first("x" * 10**6) == "str"
    assert first(10**5000) == first(10**5000) == "int"
    assert first.stats().hits == 2


def test_lone_surrogates_and_nul_are_texts_of_their_own():
    tell = fresh()
    texts = ["\ud800", "\udfff", "\x00", "", "\ud83d\ude00", "\U0001f600", "\u00e9", "e\u0301"]
    for text in texts:
        assert tell(text)[2] == repr(text)
    assert tell.stats().misses == 8
