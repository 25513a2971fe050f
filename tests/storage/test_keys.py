"""Keys of any storage: what is accepted, how short ones expand, how full ones shrink."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.errors import AmbiguousDigestError, InvalidDigest, KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.storage.base import _longest_common_prefix_length, _resolve_prefix
from tests.storage.places import DictValues, digests, value_storages

MALFORMED = [
    "",
    "abc",
    "%%%%",
    "abc%",
    "____",
    "abcd'; --",
    '"abcd"',
    "../../etc/passwd",
    "/abcd",
    "abcd\0",
    "xyzw",
    "abcd ",
    " abcd",
    "abcd\n",
    "０１２３",
    "a" * 33,
    "a" * 10_000,
]
OPERATIONS = ["contains", "expand", "shrink", "evict", "load"]


@pytest.fixture(params=["dict", "memory", "local"])
def storage(request, tmp_path):
    return value_storages(tmp_path)[request.param]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("key", MALFORMED)
def test_what_is_no_digest_is_a_key_error_and_never_a_pattern(storage, operation, key):
    stored = storage.save("value")
    with pytest.raises(KeyError) as caught:
        getattr(storage, operation)(key)
    assert isinstance(caught.value, InvalidDigest)
    assert len(str(caught.value)) < 200
    assert storage.contains(stored)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_ambiguous_prefix_raises_everywhere_and_shows_how_to_tell_apart(storage, operation):
    first, second = digests("abcd1", "abcd2")
    storage.save(1, first)
    storage.save(2, second)
    with pytest.raises(AmbiguousDigestError) as caught:
        getattr(storage, operation)("abcd")
    assert isinstance(caught.value, ValueError)
    assert caught.value.candidates == (first, second)
    assert caught.value.length == 5
    assert first in str(caught.value)
    assert second in str(caught.value)
    assert storage.expand(first[: caught.value.length]) == first


def test_upper_case_is_folded(storage):
    key = storage.save(1, Digest("abcdef" + "0" * 26))
    assert storage.expand("ABCD") == key
    assert storage.load(key.upper()) == 1


def test_a_full_key_expands_to_itself_stored_or_not(storage):
    (absent,) = digests("1234")
    assert storage.expand(absent) == absent
    assert isinstance(storage.expand(str(absent)), Digest)


def test_an_absent_key_is_a_miss(storage):
    (absent,) = digests("1234")
    storage.save(1, digests("5678")[0])
    assert storage.contains(absent) is False
    assert storage.contains("1234") is False
    storage.evict(absent)
    for operation in ("load", "shrink"):
        with pytest.raises(KeyNotFound):
            getattr(storage, operation)(absent)
    for operation in ("load", "shrink", "expand", "evict"):
        with pytest.raises(KeyNotFound):
            getattr(storage, operation)("1234")


def test_none_is_a_value(storage):
    key = storage.save(None)
    assert storage.contains(key)
    assert storage.load(key[:6]) is None


def test_saving_under_a_short_key_is_refused(storage):
    with pytest.raises(InvalidDigest):
        storage.save(1, "abcd")


def test_evicting_by_prefix_takes_that_entry_alone(storage):
    keep, drop = digests("abcd1", "abcd2")
    storage.save(1, keep)
    storage.save(2, drop)
    storage.evict("abcd2")
    assert [*storage.list()] == [keep]


def test_one_key_shrinks_to_one_digest_and_several_to_a_tuple(storage):
    first, second, third = digests("abcd1", "abcd25", "abcd26")
    for number, key in enumerate((first, second, third)):
        storage.save(number, key)
    assert storage.shrink(first) == "abcd1"
    assert isinstance(storage.shrink(first), Digest)
    assert storage.shrink(third, first) == ("abcd26", "abcd1")
    assert storage.shrink("abcd25", "abcd25") == ("abcd25", "abcd25")
    with pytest.raises(TypeError):
        storage.shrink()


def test_a_lone_key_shrinks_to_four_characters(storage):
    (key,) = digests("abcd")
    storage.save(1, key)
    assert storage.shrink(key) == "abcd"


HEX = st.text(alphabet="01", min_size=32, max_size=32)


@given(st.sets(HEX, min_size=1, max_size=20))
def test_shrinking_is_the_shortest_prefix_that_expands_back(keys):
    storage = DictValues({Digest(key): None for key in keys})
    for key in keys:
        short = storage.shrink(key)
        assert storage.expand(short) == key
        others = keys - {key}
        assert len(short) >= 4
        assert not any(other.startswith(short) for other in others)
        if len(short) > 4:
            assert any(other.startswith(short[:-1]) for other in others)


def test_resolving_takes_the_only_candidate():
    (key,) = digests("abcd")
    assert _resolve_prefix("abcd", [key]) == key
    with pytest.raises(KeyError):
        _resolve_prefix("abcd", [])
    with pytest.raises(AmbiguousDigestError):
        _resolve_prefix("abcd", digests("abcd1", "abcd2"))


@given(st.text(max_size=5), st.text(max_size=5))
def test_the_common_prefix_is_common_and_longest(first, second):
    length = _longest_common_prefix_length(first, second)
    assert first[:length] == second[:length]
    assert first[length : length + 1] != second[length : length + 1] or length == len(first) == len(
        second
    )
