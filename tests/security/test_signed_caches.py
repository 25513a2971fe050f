"""Who may write to files and database but lacks the keys makes a miss, never a value."""

from __future__ import annotations

import copy
import logging
import os
import pickle
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.cache import Cache
from fleche_like.codecs import generate_key
from fleche_like.errors import CodecError, UntrustedEnvelope
from fleche_like.storage.records import MAGIC, SIGNED_MAGIC
from fleche_like.support.sentinel import MISSING
from tests.security.places import Place, bomb, envelope, rechecked, unsigned_record

OURS, THEIRS = generate_key(), generate_key()
SMALL, MIDDLE, SCALAR = {"a": [1]}, list(range(5000)), 7
LARGE = np.arange(100_000.0)
RESULTS = {"small": SMALL, "middle": MIDDLE, "scalar": SCALAR, "large": LARGE}
in_a_folder = pytest.mark.parametrize("place", ["folder"], indirect=True)
each_result = pytest.mark.parametrize("name", RESULTS)


def call(name: str, result: Any = None, **arguments: Any) -> fl.Call:
    more = {} if result is None else {"result": result}
    return fl.Call(name, arguments or {"x": 1}, module="lab", **more)


def filled(place: Place, keys: Any = OURS) -> dict[str, fl.Digest]:
    with place.open(keys=keys) as cache:
        return {name: cache.save(call(name, result)) for name, result in RESULTS.items()}


def fresh(place: Place, **options: Any) -> Cache:
    """Return the cache without a memory tier, which nobody else can write to."""
    return place.open(**{"keys": OURS, "memory_bytes": 0} | options)


def digest_of(name: str) -> fl.Digest:
    return fl.digest(RESULTS[name])


def all_ways(cache: Cache, key: fl.Digest) -> list[Any]:
    """Return what each way of reading gives: MISSING, or the result."""
    found = [cache.lookup(key), cache.lookup_many([key]).get(key, MISSING)]
    found.append(cache.lookup_mapped(key, mmap=True))
    for ask in (
        lambda: cache.load(key).result,
        lambda: next(iter(cache.query(name=cache.load(key).name))).result,
        lambda: cache.load_values([cache.load(key).digested.result or key]).popitem()[1],
    ):
        try:
            found.append(ask())
        except (KeyError, CodecError, StopIteration):
            found.append(MISSING)
    return found


@each_result
def test_what_was_signed_is_read_in_every_way(place: Place, name: str) -> None:
    key = filled(place)[name]
    with fresh(place) as cache:
        wanted = fl.digest(RESULTS[name])
        ways = all_ways(cache, key)
        scalar = name == "scalar"
        assert [fl.digest(found) for found in ways if found is not MISSING] == [wanted] * len(ways)
        assert scalar == (cache.load(key).digested.scalars.get("return") is not None)


@each_result
@pytest.mark.parametrize("keys", [None, THEIRS], ids=["unsigned", "other keys"])
def test_calls_that_others_stored_are_misses_until_they_are_stored_again(
    place: Place, name: str, keys: Any
) -> None:
    key = filled(place, keys)[name]
    with fresh(place) as cache:
        assert {*map(id, all_ways(cache, key))} == {id(MISSING)}
        cache.save(call(name, RESULTS[name]))
        assert fl.digest(cache.lookup(key)) == digest_of(name)
    with fresh(place) as cache:
        assert fl.digest(cache.lookup(key)) == digest_of(name)


@in_a_folder
def test_what_is_not_trusted_stays_for_those_who_trust_it(place: Place) -> None:
    keys = filled(place, THEIRS)
    with fresh(place) as cache:
        assert [cache.lookup(key) for key in keys.values()] == [MISSING] * 4
    with fresh(place, keys=THEIRS) as cache:
        assert [cache.lookup(key) is not MISSING for key in keys.values()] == [True] * 4


@pytest.mark.parametrize("name", ["small", "middle", "large"])
def test_a_planted_value_is_never_decoded(place: Place, name: str) -> None:
    key = filled(place)[name]
    place.plant(digest_of(name), bomb(digest_of(name)))
    with fresh(place) as cache:
        assert {*map(id, all_ways(cache, key))} == {id(MISSING)}
        with pytest.raises(UntrustedEnvelope):
            cache.load_value(digest_of(name))
        cache.save(call(name, RESULTS[name]))
        assert fl.digest(cache.lookup(key)) == digest_of(name)


def test_a_signed_value_of_another_digest_is_not_believed(place: Place) -> None:
    key = filled(place)["small"]
    place.plant(digest_of("small"), place.value(digest_of("middle")))
    with fresh(place) as cache:
        assert cache.lookup(key) is MISSING


def test_a_row_that_points_to_another_result_changes_nothing(place: Place) -> None:
    key = filled(place)["small"]
    place.sql("UPDATE calls SET result = ? WHERE key = ?", bytes.fromhex(digest_of("middle")), key)
    with fresh(place) as cache:
        assert cache.lookup(key) == SMALL
        assert cache.lookup_many([key]) == {key: SMALL}


def forged_records(place: Place, keys: dict[str, fl.Digest]) -> dict[str, bytes]:
    key, other = keys["scalar"], keys["small"]
    false = unsigned_record(call("scalar", 8).digested())
    good = place.record(key)
    return {
        "unsigned": false,
        "signed for another key": place.record(other),
        "the same, checksum made right": rechecked(key, SIGNED_MAGIC, place.record(other)[18:]),
        "a false payload": rechecked(key, SIGNED_MAGIC, good[18:58] + false[18:]),
        "signature left out": rechecked(key, MAGIC, good[58:]),
        "no signature": rechecked(key, SIGNED_MAGIC, b""),
        "a general envelope": envelope(8, key),
        "empty": b"",
    }


@pytest.mark.parametrize(
    "forgery",
    [
        "unsigned",
        "signed for another key",
        "the same, checksum made right",
        "a false payload",
        "signature left out",
        "no signature",
        "a general envelope",
        "empty",
    ],
)
def test_a_forged_record_is_a_miss(place: Place, forgery: str) -> None:
    keys = filled(place)
    forged = forged_records(place, keys)[forgery]
    place.plant_record(keys["scalar"], forged)
    with fresh(place) as cache:
        assert {*map(id, all_ways(cache, keys["scalar"]))} <= {id(MISSING)}
        assert list(cache.query(name="scalar")) == []
        assert "scalar" not in [each.name for each in cache.query().order_by(fl.arg("x"))]
        cache.save(call("scalar", SCALAR))
        assert cache.lookup(keys["scalar"]) == SCALAR


@in_a_folder
def test_an_old_record_of_the_same_call_is_accepted(place: Place) -> None:
    """A replay: what docs/security.md says of it."""
    with place.open(keys=OURS) as cache:
        key = cache.save(call("f", 1))
        old = place.record(key)
        cache.save(call("f", 2))
    place.plant_record(key, old)
    with fresh(place) as cache:
        assert cache.lookup(key) == 1


@in_a_folder
def test_rows_that_lie_find_no_call_that_does_not_match(place: Place) -> None:
    with place.open(keys=OURS) as cache:
        for x in range(4):
            cache.save(call("f", 10 * x, x=x))
    with place.open() as cache:  # all are indexed now
        cache.calls.save_many([call("g", 1).digested()])  # type: ignore[attr-defined]
    place.sql("UPDATE arguments SET num = 3 WHERE num < 3")
    with fresh(place) as cache:
        found = cache.query(name="f").where(fl.arg("x") > 2)
        assert [each.arguments["x"] for each in found] == [3]
        assert [each.arguments["x"] for each in found.order_by(fl.arg("x")).limit(5)] == [3]


@in_a_folder
def test_late_records_are_verified_too(place: Place) -> None:
    with place.open(keys=OURS) as honest, place.open(keys=False) as other:
        honest.save(call("f", 1))
        other.save(call("g", 2))
        with fresh(place) as cache:  # neither is indexed yet
            assert {each.name for each in cache.query()} == {"f"}
            assert {each.name for each in cache.query(arguments={"x": 1})} == {"f"}
    with fresh(place) as cache:
        assert {each.name for each in cache.query(arguments={"x": 1})} == {"f"}
    with fresh(place, keys=False) as cache:
        assert {each.name for each in cache.query(arguments={"x": 1})} == {"f", "g"}


@in_a_folder
def test_lineage_goes_by_signed_records(place: Place) -> None:
    keys = filled(place)
    value = digest_of("small")
    with fresh(place) as cache:
        assert [each.key for each in cache.lineage(value).producers] == [keys["small"]]
    place.plant_record(keys["small"], unsigned_record(call("small", SMALL).digested()))
    with fresh(place) as cache:
        assert list(cache.lineage(value).producers) == []


@in_a_folder
def test_manifests_are_signed(place: Place) -> None:
    code, parts = fl.digest("code"), {"part one": fl.digest(1), "\x1fsignature": fl.digest(2)}
    with place.open(keys=OURS) as cache:
        cache.calls.save_manifest(code, parts)  # type: ignore[attr-defined]
        manifest = dict(cache.manifest(code))
        assert list(manifest.values()) == list(parts.values())
    with fresh(place, keys=False) as cache:
        assert dict(cache.manifest(code)) == manifest
    place.sql("UPDATE manifests SET digest = ? WHERE position = 0", bytes(16))
    with fresh(place) as cache:
        assert cache.manifest(code) == {}
        cache.calls.save_manifest(code, parts)  # type: ignore[attr-defined]
        assert dict(cache.manifest(code)) == manifest


@in_a_folder
def test_an_unsigned_manifest_is_not_believed_and_is_replaced(place: Place) -> None:
    code, parts = fl.digest("code"), {"part": fl.digest(1)}
    with place.open() as cache:
        cache.calls.save_manifest(code, parts)  # type: ignore[attr-defined]
    with fresh(place) as cache:
        assert cache.manifest(code) == {}
        cache.calls.save_manifest(code, parts)  # type: ignore[attr-defined]
        assert dict(cache.manifest(code)) == parts


@pytest.mark.parametrize("place", ["folder", "elsewhere"], indirect=True)
def test_a_file_that_changes_after_it_was_verified_changes_no_result(place: Place) -> None:
    key = filled(place)["large"]
    with fresh(place, mmap=True) as cache:
        found: Any = cache.lookup(key)
        (file,) = [each for each in place.files() if each.name == digest_of("large")]
        with file.open("r+b") as writing:
            writing.seek(-8 * 1000, os.SEEK_END)
            writing.write(b"\xff" * 8000)
        assert fl.digest(found) == digest_of("large")
        assert cache.lookup(key) is MISSING
        found[0] = -1  # in memory of its own


@pytest.mark.parametrize("mmap", [False, True, "verify"])
def test_mapped_or_not_every_byte_of_a_large_value_is_checked(place: Place, mmap: Any) -> None:
    key = filled(place)["large"]
    data = bytearray(place.value(digest_of("large")))
    data[-1] ^= 1
    place.plant(digest_of("large"), bytes(data))
    with fresh(place, mmap=mmap) as cache:
        assert cache.lookup(key) is MISSING


@in_a_folder
def test_a_retired_key_makes_misses_and_a_rotated_one_does_not(place: Place) -> None:
    old, new = generate_key(), generate_key()
    keys = filled(place, old)
    with fresh(place, keys=[new, old]) as cache:
        assert cache.lookup(keys["small"]) == SMALL
        cache.save(call("scalar", 70))
    with fresh(place, keys=new) as cache:
        assert cache.lookup(keys["small"]) is MISSING
        assert cache.lookup(keys["scalar"]) == 70


@in_a_folder
def test_memoized_functions_recompute_what_is_not_trusted(place: Place) -> None:
    ran = []

    def work(x: int) -> list[int]:
        ran.append(x)
        return [x] * 3000

    with place.open(keys=OURS) as cache:
        memoized = fl.memoize(cache=cache, code="none")(work)
        assert memoized(5) == memoized(5) == [5] * 3000
    place.plant(fl.digest([5] * 3000), bomb(fl.digest([5] * 3000)))
    with fresh(place) as cache:
        memoized = fl.memoize(cache=cache, code="none")(work)
        assert memoized(5) == memoized(5) == [5] * 3000
        assert list(memoized.map([5])) == [[5] * 3000]
    assert ran == [5, 5]


@in_a_folder
def test_refusals_are_logged_and_name_the_key_id(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    keys = filled(place, THEIRS)
    with caplog.at_level(logging.WARNING, "fleche_like"), fresh(place) as cache:
        cache.lookup(keys["small"])
    assert keys["small"] in caplog.text
    assert "not known here" in caplog.text
    assert THEIRS not in caplog.text


def test_keys_of_the_environment_are_for_every_cache_that_outlives_the_process(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = filled(place)
    monkeypatch.setenv("FLECHE_LIKE_KEYS", THEIRS)
    with place.open() as cache:
        assert cache.lookup(keys["small"]) is MISSING
    with place.open(keys=OURS) as cache:
        assert cache.lookup(keys["small"]) == SMALL
    with place.open(keys=False) as cache:
        assert cache.lookup(keys["small"]) == SMALL
    with fl.open_cache("memory://") as cache:
        assert cache.values.signer is None  # type: ignore[attr-defined]


def test_a_signed_cache_travels_without_its_keys(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEYS", OURS)
    keys = filled(place)
    with place.open(keys={"env": "TEAM_KEYS"}) as cache:
        data = pickle.dumps(cache)
    assert OURS.encode() not in data
    with pickle.loads(data) as copied:
        assert copied.lookup(keys["small"]) == SMALL
        assert copied.values.signer == copied.calls.signer is not None


@in_a_folder
def test_copies_made_for_mapping_doubt_as_the_original_does(place: Place) -> None:
    filled(place)
    with fresh(place) as cache:
        values = copy.copy(cache.values)
        assert values.signer is cache.values.signer  # type: ignore[attr-defined]


def test_an_unsigned_cache_writes_what_it_always_did(place: Place) -> None:
    keys = filled(place, None)
    assert place.record(keys["small"])[:2] == MAGIC
    assert place.value(digest_of("small"))[20] == 0


@pytest.mark.parametrize("part", ["skeleton", "inside"])
def test_values_in_parts_are_signed_part_by_part(place: Place, part: str) -> None:
    shared = np.arange(50_000.0)
    value = {"data": shared, "more": [1]}
    with place.open(keys=OURS, destructure_bytes=1000) as cache:
        key = cache.save(call("f", value))
        assert cache.values.references(fl.digest(value)) == (fl.digest(shared),)  # type: ignore[attr-defined]
    with fresh(place) as cache:
        assert fl.digest(cache.lookup(key)) == fl.digest(value)
    digest = fl.digest(value if part == "skeleton" else shared)
    place.plant(digest, bomb(digest))
    with fresh(place, destructure_bytes=1000) as cache:
        assert {*map(id, all_ways(cache, key))} == {id(MISSING)}
        cache.save(call("f", value))
        assert fl.digest(cache.lookup(key)) == fl.digest(value)
