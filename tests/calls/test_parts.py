"""What is known of the inside of containers, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import Call, DigestedCall
from fleche_like.calls import parts as parts_module
from fleche_like.calls.parts import NOWHERE, Parts, all_parts, refuse_nonsense
from fleche_like.calls.record import decode_record, encode_record
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest, digest, value_digest
from fleche_like.support.sentinel import MISSING

ARRAY = np.arange(3)
#: Untyped: a test that gets nothing where it wants something shall fail, not be checked.
parts_of: Any = parts_module.parts_of
part_at: Any = parts_module.part_at


@dataclass
class Data:
    lr: float
    data: object = None


@attrs.define
class Slotted:
    lr: float


@pytest.mark.parametrize(
    ("value", "path", "scalar"),
    [
        ({"a": {"b": 1}}, ("a", "b"), 1),
        ([1, (2.5, None)], (1, 0), 2.5),
        ({0: "zero", "0": "text"}, (0,), "zero"),
        ({0: "zero", "0": "text"}, ("0",), "text"),
        ({"x": np.float64(0.5)}, ("x",), 0.5),
        (Data(0.1), ("lr",), 0.1),
        ([Slotted(0.2)], (0, "lr"), 0.2),
        ({"inf": float("inf")}, ("inf",), float("inf")),
    ],
)
def test_scalars_inside_are_known(value, path, scalar):
    part = part_at(parts_of(value), path)
    assert part.known
    assert part.scalar == scalar
    assert type(part.scalar) is type(scalar)


@pytest.mark.parametrize("path", [("b",), ("a", "c"), ("a", 0), ("a", "b", "c"), (0,)])
def test_what_is_not_inside_is_known_to_be_absent(path):
    assert part_at(parts_of({"a": {"b": 1}}), path) is None


@pytest.mark.parametrize(
    "inside", [Digest(digest(1)), b"bytes", {1}, 10j, "x" * 2000, type("Odd", (dict,), {})(a=1)]
)
def test_of_some_things_inside_nothing_is_known(inside):
    parts = parts_of({"x": inside, "y": 1})
    assert not part_at(parts, ("x",)).known
    assert not part_at(parts, ("x", "a")).known
    assert part_at(parts, ("y",)).scalar == 1


@pytest.mark.parametrize(
    "value",
    [
        list(range(17)),
        {"n": list(range(1000))},
        {str(n): n for n in range(65)},
        [[[[[[[1]]]]]]],
    ],
)
def test_large_and_deep_containers_have_no_sketch(value):
    assert parts_of(value).sketch is MISSING
    assert not part_at(parts_of(value), (0,)).known


def test_what_nobody_can_look_into_is_known_to_have_no_parts():
    assert parts_of(ARRAY) == parts_of(b"x") == NOWHERE
    assert part_at(NOWHERE, ("a",)) is None


def test_a_digest_and_unusual_containers_are_looked_into_by_loading():
    assert parts_of(Digest(digest(1))) is MISSING
    assert parts_of(type("Odd", (dict,), {})(a=1)) is MISSING


@pytest.mark.parametrize(
    "value",
    [
        {"a": [ARRAY]},
        {"a": [ARRAY], "n": list(range(500))},
        {2.5: ARRAY},
        [digest(ARRAY), *range(100)],
        Data(0.1, ARRAY),
        [[[[[[[[ARRAY]]]]]]]],
    ],
    ids=lambda value: str(value)[:20],
)
def test_nodes_inside_are_found_wherever_they_are(value):
    found = [part.digest for _, part in all_parts(parts_of(value)) if part.digest is not None]
    assert found == [digest(ARRAY)]


def test_looking_for_nodes_ends():
    endless: list[Any] = [0] * 20
    endless.append(endless)
    assert parts_of(endless) == Parts(MISSING)
    assert parts_of([[ARRAY] * 20_000]) == Parts(MISSING)


@pytest.mark.parametrize(
    "value", [{"a": [1, {"": ARRAY}], "\ud800": float("nan")}, [ARRAY, *range(50)], {2.5: ARRAY}]
)
def test_parts_survive_a_record(value):
    call = Call("f", {"x": value}, result=value).digested()
    again = decode_record(encode_record(call), call.key)
    assert again == call
    for name in ("x", "return"):
        mine, other = call.parts[name], again.parts[name]
        assert repr(list(all_parts(mine))) == repr(list(all_parts(other)))


@pytest.mark.parametrize(
    "parts", [Parts({"n": [["x", 1]]}), Parts({"$": "no digest"}), Parts([{"z": 1}])]
)
def test_parts_that_make_no_sense_are_damage(parts):
    call = DigestedCall("f", {"x": value_digest([1])}, parts={"x": Parts([parts.sketch])})
    with pytest.raises(DamagedEnvelope):
        decode_record(encode_record(call), call.key)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "f" * 32])
odd = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["m", "n", "$", "~", "?", "d"]), inner, max_size=3)
        | st.builds(lambda key, one: {"n": [[key, one]]}, inner, inner)
        | st.builds(lambda one: {"m": {"a": one}}, inner)
    ),
    max_leaves=12,
)


def refused(look):
    try:
        look()
    except Exception as error:
        return type(error)
    return None


@given(odd)
def test_nonsense_is_refused_as_it_is_by_looking_at_every_part(sketch):
    plainly = refused(lambda: list(all_parts(Parts(sketch))))
    assert (refused(lambda: refuse_nonsense(sketch)) is None) == (plainly is None)
