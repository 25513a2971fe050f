from __future__ import annotations

import copy
import marshal
import pickle
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128

from fleche_like.hashing import (
    Digest,
    bulk,
    digest,
    encode,
    encode_node,
    encode_str,
    encoder,
    is_node,
    plain,
    tags,
    tuple_prefix,
)
from fleche_like.testing import strategies
from tests.hashing.decoder import decode, expected


def walked(value: Any) -> bytes:
    """The encoding that the walker writes when nothing goes in bulk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "AVAILABLE", False)
        return encoder._Walk(value, "value").run()


@given(strategies.plain_values())
def test_what_was_encoded_decodes_to_the_same_value(value: Any) -> None:
    assert decode(encode(value)) == expected(value)


@given(strategies.values())
def test_every_encoding_can_be_cut_in_one_way_only(value: Any) -> None:
    encoding = encode(value)
    decode(encoding)
    for cut in {1, len(encoding) // 2, len(encoding) - 1} - {len(encoding)}:
        with pytest.raises((AssertionError, struct.error, UnicodeDecodeError)):
            decode(encoding[:cut])


@given(strategies.plain_values(), strategies.plain_values())
def test_different_values_have_different_encodings(one: Any, other: Any) -> None:
    assert (encode(one) == encode(other)) == (expected(one) == expected(other))


@given(strategies.scalars())
def test_c_code_and_plain_python_write_the_same_scalars(value: Any) -> None:
    assert bulk.scalar(value) == plain.scalar(value)


@given(strategies.values())
def test_bulk_and_walker_write_the_same_bytes(value: Any) -> None:
    assert encode(value) == walked(value)


@pytest.mark.parametrize(
    "bad", [object(), {1, 2}, bytearray(b"x"), memoryview(b"x"), ..., "x"[:0].join]
)
def test_nothing_but_exact_builtin_values_goes_in_bulk(bad: Any) -> None:
    numbers: list[Any] = list(range(5000))
    assert bulk.tree([*numbers, bad, 1]) is None
    assert bulk.tree([(1, 2), {"a": [bad]}]) is None
    assert bulk.tree({"a": bad}) is None


class Whole(int):
    pass


@given(strategies.plain_values())
def test_the_collector_visits_what_a_loop_visits_but_for_keys_of_text(value: Any) -> None:
    visited = bulk._referents([value])
    assert {id(x) for x in visited} <= {id(x) for x in bulk._chained([value])}
    missed = len(bulk._chained([value])) - len(visited)
    text_only = type(value) is dict and all(type(key) is str for key in value)
    assert missed == (len(value) if text_only else 0)


@pytest.mark.parametrize("children", [bulk._referents, bulk._chained])
@pytest.mark.parametrize("depth", [1, 3, 60])
def test_either_way_of_visiting_finds_what_is_not_plain(
    monkeypatch: pytest.MonkeyPatch, children: Any, depth: int
) -> None:
    monkeypatch.setattr(bulk, "_children", children)
    for odd in (bytearray(), {1}, ..., Whole(1), b"x"[:0].join, StopIteration):
        for place in ([odd], (1, odd), {"k": odd}, {odd if odd.__hash__ else 1: odd}):
            value: Any = place
            for _ in range(depth):
                value = [value, 1, {"a": (1, "b")}]
            assert bulk.tree(value) is None
            assert bulk.tree([value] * 100) is None


def test_a_trees_encoding_is_the_same_where_the_collector_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = {"a": [(1, {"b": 2, 3: None})] * 100, 1: [[[[]]]]}
    before = encode(value)
    monkeypatch.setattr(bulk, "_children", bulk._chained)
    assert bulk.tree(value) == before == walked(value)


@pytest.mark.parametrize("odd", [True, Whole(3), 1.5, 2**31, "i", b"iiii", None, (1,)])
@pytest.mark.parametrize("place", [0, 1, 2500, 4999])
def test_one_odd_element_among_many_ints_is_seen(odd: Any, place: int) -> None:
    numbers: list[Any] = list(range(5000))
    numbers[place] = odd
    assert encode(numbers) == walked(numbers)
    assert digest(numbers) != digest(list(range(5000)))


@given(st.lists(st.integers(-(2**33), 2**33) | st.floats() | st.booleans(), max_size=5))
def test_long_lists_are_encoded_alike_by_every_path(odd: list[Any]) -> None:
    for many in (list(range(2000)), [0.5] * 2000):
        value = [*many, *odd, many[0]]
        assert encode(value) == walked(value)


@given(strategies.values())
def test_the_digest_is_that_of_the_encoding(value: Any) -> None:
    assert digest(value) == xxh3_128(encode(value)).hexdigest()
    assert type(digest(value)) is Digest


@given(st.lists(strategies.values(max_leaves=4), max_size=5))
def test_a_tuple_is_its_prefix_and_the_encodings_of_its_members(members: list[Any]) -> None:
    parts = b"".join(map(encode, members))
    assert tuple_prefix(len(members)) + parts == encode(tuple(members))


@given(strategies.texts(), strategies.values(max_leaves=3))
def test_pieces_of_a_key_put_together_are_the_key(name: str, value: Any) -> None:
    folded = encode_node(digest(value))
    key = tuple_prefix(2) + encode_str(name) + folded
    assert key == encode((name, digest(value)))
    assert folded == encode(digest(value))


def test_a_large_bytes_object_is_hashed_without_a_copy_as_it_would_be_with_one() -> None:
    for size in (2**16 - 1, 2**16, 300_000):
        value = bytes(size)
        assert digest(value) == xxh3_128(encode(value)).hexdigest()


def test_lengths_beyond_31_bits_have_a_form_of_their_own() -> None:
    assert tags.length(2**31 - 1) == b"\xff\xff\xff\x7f"
    assert tags.length(2**31) == b"\xff\xff\xff\xff" + (2**31).to_bytes(8, "little")


def test_a_string_that_marshal_refuses_is_written_in_plain_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> bytes:
        raise ValueError("too large")

    before = encode("abc"), encode(["abc", 1])
    monkeypatch.setattr(marshal, "dumps", refuse)
    assert (encode("abc"), encode(["abc", 1])) == before


@pytest.mark.parametrize("sign", [1, -1])
def test_an_int_of_a_million_digits(sign: int) -> None:
    number = sign * 10**1_000_000
    assert bulk.scalar(number) == plain.scalar(number)
    assert decode(encode(number)) == ("l", number)


@pytest.mark.parametrize(
    ("around", "depth"),
    [(lambda x: [x], 100_000), (lambda x: (x, 1), 10_000), (lambda x: {"k": x}, 10_000)],
)
def test_deep_nesting_needs_no_stack(around: Any, depth: int) -> None:
    value: Any = {1, 2}
    same: Any = {2, 1}
    for _ in range(depth):
        value, same = around(value), around(same)
    assert digest(value) == digest(same) != digest([same])
    while isinstance(value, list | tuple | dict):  # or freeing it would overflow the stack
        value = value["k"] if isinstance(value, dict) else value[0]


@settings(max_examples=40)
@given(strategies.values())
def test_copies_and_pickles_have_the_same_digest(value: Any) -> None:
    assert digest(copy.deepcopy(value)) == digest(value)
    assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


@given(st.lists(strategies.scalars(), max_size=6))
def test_a_set_has_no_order(items: list[Any]) -> None:
    assert len(set(items)) < len(items) or digest(set(items)) == digest({*items[::-1]})
    assert digest(frozenset(items)) != digest(set(items))


@given(st.frozensets(st.tuples(st.integers(0, 9)) | st.frozensets(st.integers()), max_size=8))
def test_elements_of_a_set_are_written_in_the_order_of_their_encodings(items: Any) -> None:
    body = len(items).to_bytes(4, "little") + b"".join(sorted(map(encode, items)))
    assert encode(items) == b">" + body
    assert encode(set(items)) == b"<" + body


def test_sharing_and_interning_do_not_matter() -> None:
    row = [1, (2.5, str(b"ab", "ascii"))]
    copied = [1, (2.5, "ab")]
    assert digest([row, row]) == digest([copied, [1, (2.5, "ab")]])
    assert digest(["ab" * 2] * 3) == digest(["abab", "".join("abab"), "abab"])


def test_a_tree_that_doubles_at_every_level_is_refused_and_not_waited_for() -> None:
    value: Any = [frozenset()]
    for _ in range(200):
        value = [value, value]
    with pytest.raises(TypeError, match="shares its parts"):
        digest(value)


def test_no_scalar_is_a_node() -> None:
    assert not any(map(is_node, [1, "a", [1], {}, {1}, None]))
    assert is_node(digest(1))
