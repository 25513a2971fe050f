from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import RESULT, Call, DigestedCall, record
from fleche_like.calls.compact import MomentEncoder
from fleche_like.calls.record import decode_record, decode_result, encode_record
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest, digest
from fleche_like.support.sentinel import MISSING
from tests.calls.strategies import digested_calls, exactly

KEY = Digest("0" * 32)


def contents(call):
    return [exactly(getattr(call, name)) for name in DigestedCall.__dataclass_fields__]


@given(digested_calls())
def test_records_round_trip_exactly(call):
    back = decode_record(encode_record(call), call.key)
    assert contents(back) == contents(call)
    assert (
        back.key
        == call.key
        == DigestedCall(*[getattr(back, n) for n in vars(call) if n != "key"]).key
    )


@given(digested_calls())
def test_without_the_encoder_in_c_the_text_is_the_same(call):
    quick = encode_record(call)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json.encoder, "c_make_encoder", None)
        patch.setattr(record, "_MOMENTS", MomentEncoder(record._moment))
        assert encode_record(call) == quick


@given(digested_calls())
def test_records_are_read_from_any_buffer(call):
    data = encode_record(call)
    assert contents(decode_record(memoryview(data), KEY)) == contents(
        decode_record(bytearray(data), KEY)
    )


@given(digested_calls())
def test_the_result_alone_is_the_result_of_the_whole(call):
    payload = encode_record(call)
    whole = decode_record(payload, call.key)
    found, scalar = decode_result(payload, call.key)
    if RESULT in whole.scalars:
        assert exactly(scalar) == exactly(whole.scalars[RESULT])
    else:
        assert (found, scalar) == (whole.result, MISSING)


def test_none_as_a_result_is_not_the_absence_of_one():
    without = Call("f", {}).digested()
    with_none = Call("f", {}, result=None).digested()
    assert decode_record(encode_record(without), KEY).result is None
    assert decode_record(encode_record(with_none), KEY).result == digest(None)


def test_a_small_call_takes_about_250_bytes():
    runtime = {"walltime": 0.00123456, "cputime": 0.0012311, "timestamp": 1732189654.123456,
               "host": "node-17", "pid": 12345, "python": "3.11.9"}  # fmt: skip
    call = Call("simulate", {"alpha": 0.1, "steps": 100, "solver": "lu"}, "project.model",
                code=digest("code"), result=0.25, metadata={"runtime": runtime})  # fmt: skip
    assert len(encode_record(call.digested())) < 260


def test_a_zone_that_is_unknown_to_the_reader_leaves_the_digest():
    value = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    call = Call("f", {"when": value}, metadata={"at": value}).digested()
    elsewhere = encode_record(call).replace(b"Europe/Berlin", b"Nowhere/AtAll")
    back = decode_record(elsewhere, KEY)
    assert back.arguments == call.arguments
    assert "when" not in back.scalars
    assert back.metadata == {"at": "2024-10-27T02:30:00"}


def test_metadata_that_is_no_json_never_loses_a_record():
    metadata: Any = {"a": {1, 2}, 3: object, "b": np.float64(1.5)}
    odd = DigestedCall("f", {}, metadata=metadata)
    back = decode_record(encode_record(odd), KEY)
    assert back.metadata == {"a": "{1, 2}", "3": "<class 'object'>", "b": 1.5}


def test_huge_integers_are_read_under_the_strictest_digit_limit():
    call = Call("f", {"n": 10**600, "m": -(10**4000)}, metadata={"n": 10**600}).digested()
    data = encode_record(call)
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert contents(decode_record(data, KEY)) == contents(call)
    finally:
        sys.set_int_max_str_digits(limit)


GOOD = json.loads(encode_record(Call("f", {"a": 1}, result=[1]).digested()))
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"null", b"{}", b"[]", b"[1]", b'[2,"f",null,null,null,{},{}]', DEEP.encode(),
        b"9" * 10_000, b"[true" + encode_record(Call("f", {}).digested())[2:], b"[1e999]",
        b'{"__reduce__": ["os.system", ["true"]]}',
        encode_record(Call("f", {"a": 1}).digested())[:-1],
    ],
)  # fmt: skip
def test_bytes_that_are_no_record_are_damage(data):
    with pytest.raises(DamagedEnvelope) as caught:
        decode_record(data, KEY)
    assert caught.value.key == KEY


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 2), (0, 1.0), (1, None), (1, 3), (2, 3), (3, 1.5), (3, True), (4, "abcd"),
        (4, "A" * 32),
        (4, 3), (5, []), (5, None), (5, {"a": [1]}), (5, {"a": {}}), (5, {"a": {"$": "xyz"}}),
        (5, {"a": {"$": None}}), (5, {"a": {"i": 3}}), (5, {"a": {"i": "g"}}),
        (5, {"a": {"f": "00"}}),
        (5, {"a": {"d": "yesterday"}}), (5, {"a": {"d": "2024-01-01T00:00:00", "zone": [1e999]}}),
        (5, {"a": {"d": "2024-01-01T00:00:00", "zone": [10**30]}}), (5, {"return": 1}),
        (5, {"a": {"d": "2024-01-01T00:00:00", "zone": "../../etc/passwd"}}), (5, {"a": {"q": 1}}),
        (5, {"a": {"d": "2024-01-01T00:00:00", "zone": 7}}), (6, None), (6, 1), (6, []),
        (6, [1, 2]),
        (6, [[1]]), (6, [{"m": [1]}]), (6, "text"), (7, [1]),
    ],
)  # fmt: skip
def test_malformed_fields_are_damage(place, value):
    fields = [*GOOD]
    fields[place] = value
    with pytest.raises(DamagedEnvelope):
        decode_record(json.dumps(fields).encode(), KEY)


@given(digested_calls(), st.data())
def test_altered_bytes_are_a_call_or_damage_and_nothing_else(call, data):
    record = bytearray(encode_record(call))
    for _ in range(data.draw(st.integers(1, 3))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DamagedEnvelope):
        assert isinstance(decode_record(record, KEY), DigestedCall)


def test_aware_metadata_survives():
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    call = Call("f", {}, metadata={"when": moment, "nan": float("inf"), "m": {"$": 1}}).digested()
    assert decode_record(encode_record(call), KEY).metadata == call.metadata


EAST = timezone(timedelta(hours=5, minutes=30, microseconds=7))


@pytest.mark.parametrize(
    "metadata",
    [
        {"": 1}, {"": "2024-01-01"}, {"": {"d": "2024-01-01"}}, {"a": {"": {"": {}}}},
        {'x"': '"":'},
        {"": datetime(2024, 1, 1, tzinfo=UTC), "a": {"": 2}}, {"m": [{"m": 1}], "$": {"d": "x"}},
        {"a": [datetime(2024, 1, 1), {"b": datetime(2024, 1, 1, 2, 3, 4, 5, EAST)}]},
        {"a": datetime(2024, 1, 1, fold=1, tzinfo=UTC), "b": datetime(2024, 1, 1, tzinfo=EAST)},
        {"a": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET"))},
        {"a": datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1), "b": None},
    ],
)  # fmt: skip
def test_moments_and_empty_names_in_metadata_are_told_apart(metadata):
    call = Call("f", {"": ""} if "" in metadata else {}, metadata=metadata).digested()
    found = decode_record(encode_record(call), KEY).metadata
    assert repr(found) == repr(call.metadata)  # zone, fold and types included


def test_a_moment_takes_little_more_than_its_text():
    started = datetime(2024, 1, 1, 2, 3, 4, 5, tzinfo=UTC)
    with_moment = Call("f", {}, metadata={"runtime": {"started": started}}).digested()
    with_text = Call("f", {}, metadata={"runtime": {"started": started.isoformat()}}).digested()
    assert len(encode_record(with_moment)) <= len(encode_record(with_text)) + 5


@pytest.mark.parametrize("offset_us", [1, -1, 3_600_000_005])
def test_an_offset_of_a_fraction_of_a_second_survives(offset_us):
    """Some parsers of ISO 8601 take one under a second for UTC: the digest was another then."""
    moment = datetime(2024, 10, 27, 2, 30, tzinfo=timezone(timedelta(microseconds=offset_us)))
    call = Call("f", {"x": moment}, result=moment, metadata={"m": moment}).digested()
    assert contents(decode_record(encode_record(call), call.key)) == contents(call)
