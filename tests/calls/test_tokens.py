from __future__ import annotations

import enum
import functools
import marshal
import math
import struct
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleche_like.calls import Binder, Ignored, Required
from fleche_like.hashing import digest


class Level(enum.IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


def nan(payload):
    return struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000000 | payload))[0]


def function(a, b=2, *args, c="x", **rest): ...


BINDER = Binder(function)
TOKEN = BINDER.tokeniser(marshal.dumps, b"identity")

lookalikes = st.sampled_from(
    [0, 0.0, -0.0, False, 1, 1.0, True, 1 + 0j, "1", b"1", None, "", b"", (), [], {}, "a", b"a",
     math.inf, nan(0), nan(1), -nan(0), 2**31, 2**63, 10**30, "\ud800", "é", "e\u0301",
     complex(0.0, -0.0)]
)  # fmt: skip
plain = st.recursive(
    lookalikes | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(lookalikes.filter(lambda x: x.__hash__ is not None), inner, max_size=3)
    ),
    max_leaves=6,
)
calls = st.tuples(
    st.lists(plain, min_size=1, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["c", "d", "e", "a1"]), plain, max_size=3),
)


def key_of(args, kwargs, binder=BINDER):
    return [(name, digest(value)) for name, value in binder.bind(args, kwargs).items()]


@given(calls, calls)
@example(((0.0,), {}), ((-0.0,), {}))
@example((({1: 1, 2: 2},), {}), (({2: 2, 1: 1},), {}))
@example(((1, 2, (3,)), {}), ((1, 2, 3), {}))
@example(((1,), {"d": 1, "e": 2}), ((1,), {"e": 2, "d": 1}))
def test_calls_with_one_token_have_one_key_and_the_other_way_round(one, other):
    tokens = TOKEN(*one[0], **one[1]), TOKEN(*other[0], **other[1])
    assert None not in tokens
    assert (tokens[0] == tokens[1]) == (key_of(*one) == key_of(*other))


def test_lookalikes_have_different_tokens():
    values = [0, 0.0, -0.0, False, "0", b"0", None, (), [], {}, 0j, complex(0, -0.0), (0,), [0],
              nan(1), nan(2), {0: 0}, {False: 0}, {0.0: 0}, {1: 1, 2: 2}, {2: 2, 1: 1}, [[0]],
              [(0,)]]  # fmt: skip
    assert len({TOKEN(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    "value",
    [
        Level.LOW, np.float64(1), np.bool_(1), np.arange(3), bytearray(b"a"), memoryview(b"a"),
        Text("a"), {1}, frozenset({1}), ..., function.__code__, object(), digest(1), range(3),
        type("L", (list,), {})(), type("T", (tuple,), {})(), type("D", (dict,), {})(),
        "x" * 1025, b"x" * 1025, [0] * 64, dict.fromkeys(range(40), 0), [[0] * 30, [0] * 40],
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: ({"k": x},)])
def test_what_is_not_plain_or_not_small_has_no_token(value, wrap):
    assert TOKEN(wrap(value)) is None
    assert TOKEN(0, 1, wrap(value)) is None
    assert TOKEN(0, c=wrap(value)) is None
    assert TOKEN(0, other=wrap(value)) is None


def test_subclasses_as_dict_keys_have_no_token():
    assert TOKEN({Level.LOW: 1}) is None
    assert TOKEN({Text("a"): 1}) is None


def test_structures_that_contain_themselves_or_are_deep_have_no_token():
    ring: list[Any] = []
    ring.append(ring)
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 3):
        deep = [deep]
    assert TOKEN(ring) is None
    assert TOKEN(deep) is None


def test_long_tokens_are_not_made():
    assert TOKEN(["x" * 1000] * 3) is not None
    assert TOKEN(["x" * 1000] * 5) is None
    assert TOKEN(1 << 100_000) is None


def test_keyword_spelling_and_defaults_are_one_token():
    assert TOKEN(1) == TOKEN(a=1) == TOKEN(1, 2) == TOKEN(1, b=2) == TOKEN(c="x", a=1)
    assert TOKEN(1, d=1, e=2) == TOKEN(1, e=2, d=1)
    assert TOKEN(1, 2, 3, 4) != TOKEN(1, 2, (3, 4))


def test_the_identity_tells_functions_apart():
    assert BINDER.tokeniser(marshal.dumps, b"other")(1) != TOKEN(1)
    assert BINDER.tokeniser(marshal.dumps, ("identity", 1))(1) != TOKEN(1)
    with pytest.raises(ValueError, match="unmarshallable"):
        BINDER.tokeniser(marshal.dumps, object())


def test_ignored_arguments_do_not_count_and_missing_required_ones_give_none():
    def marked(a, noise: Ignored[object] = None, *, seed: Required[int] = 0, d=4): ...

    binder = Binder(marked)
    token = binder.tokeniser(marshal.dumps, b"")
    assert token(1) is None
    assert token(1, seed=0) == token(1, object(), seed=0) == token(1, seed=0, d=4)
    assert token(1, seed=0) != token(1, seed=1) != token(1, seed=1, d=5)
    marked.__kwdefaults__.update(d=5)  # type: ignore[union-attr]
    assert token(1, seed=1) == token(1, seed=1, d=5)


def ignoring_extra(a, **rest): ...


def test_ignored_keywords_do_not_count():
    token = Binder(ignoring_extra, ignore=["x"]).tokeniser(marshal.dumps, b"")
    assert token(1, x=object()) == token(1)
    assert token(1, y=1) != token(1)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("__defaults__", (3,)),
        ("__kwdefaults__", {"c": 9}),
        ("__code__", (lambda a, b, *, c: 0).__code__),
    ],
)
def test_tokens_of_a_changed_function_are_refused_until_there_is_a_new_tokeniser(attribute, value):
    def changing(a, b=2, *, c=3): ...

    binder = Binder(changing)
    token = binder.tokeniser(marshal.dumps, b"")
    before, generation = token(1), binder.generation
    setattr(changing, attribute, value)
    assert token(1) is None
    binder.bind((1, 2), {"c": 1})
    assert binder.generation != generation
    renewed = binder.tokeniser(marshal.dumps, b"")
    assert renewed(1, 2, c=3) == before
    assert attribute == "__code__" or renewed(1) != before


def test_partials_and_methods_count_what_they_bring():
    token = Binder(functools.partial(function, 1, c=2)).tokeniser(marshal.dumps, b"identity")
    assert token() == TOKEN(1, c=2)
    assert token(5, c=3) == TOKEN(1, 5, c=3)


def test_what_another_thread_changes_after_the_check_is_not_in_the_token():
    """marshal takes a buffer for bytes: an array put in after the check must not get through."""
    row: list[Any] = [b"\x00" * 8]
    table: dict[str, Any] = {"k": b"\x00" * 8}

    def dumps_late(value, version):
        row[:] = [np.zeros(1)]
        table["k"] = np.zeros(1)
        return marshal.dumps(value, version)

    honest = TOKEN(row, [row], row, d=(row, table))
    late = BINDER.tokeniser(dumps_late, b"identity")
    row[:], table["k"] = [b"\x00" * 8], b"\x00" * 8
    assert late(row, [row], row, d=(row, table)) == honest
    assert type(row[0]) is type(table["k"]) is np.ndarray
    assert TOKEN(row) is TOKEN(table) is None


def test_what_another_thread_puts_in_during_the_check_is_not_in_the_token():
    """The check walks a copy: dict and list are copied before their items are looked at."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    stop = threading.Event()
    shared: list[Any] = [b"\x00" * 8]

    def change():
        while not stop.is_set():
            shared[:] = [np.zeros(1)]
            shared[:] = [b"\x00" * 8]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        seen = {TOKEN(shared) for _ in range(2000)}
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert seen <= {TOKEN([b"\x00" * 8]), TOKEN([]), None}
