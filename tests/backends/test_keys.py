"""One idea of a key for every backend."""

from __future__ import annotations

import pickle
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.backends.keys import (
    is_key_segment,
    normalise,
    normalise_name,
    normalise_prefix,
)
from fleche_like.errors import InvalidKey
from fleche_like.testing.places import INVALID_KEYS, ODD_KEYS

texts = st.lists(
    st.sampled_from(["a", "B", "..", ".", "", "x.y", "C:", "~", "\\", "\0", "é", "a b", "\ud800"]),
    max_size=5,
).map("/".join)


def accepted(key: str) -> bool:
    """What the contract refuses, written a second time and with no fast path."""
    parts = key.split("/")
    absolute = key[:1] == "/" or (key[1:2] == ":" and key[0].isascii() and key[0].isalpha())
    bad = {"\0", "\\", "\ud800"} & set(key)
    return not (absolute or bad or ".." in parts)


@given(texts)
def test_a_key_is_refused_or_comes_out_as_posix_would_spell_it(key: str) -> None:
    try:
        found = normalise(key)
    except InvalidKey:
        assert not accepted(key)
    else:
        assert accepted(key)
        assert found == (posixpath.normpath(key) if posixpath.normpath(key) != "." else "")


@given(st.text(max_size=300))
def test_normal_keys_stay_below_the_root_and_as_they_are(key: str) -> None:
    try:
        found = normalise(key)
    except InvalidKey:
        return
    assert normalise(found) == found
    assert not found.startswith("/")
    assert ".." not in found.split("/")
    assert "" not in found.split("/") or found == ""


@pytest.mark.parametrize("key", INVALID_KEYS)
def test_invalid_keys_are_shown_shortened_and_carried_whole(key: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        normalise(key)
    assert len(str(caught.value)) < 250
    assert pickle.loads(pickle.dumps(caught.value)).key == key


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_left_alone(key: str) -> None:
    assert normalise(key) == key


def test_lengths_are_counted_in_bytes() -> None:
    assert normalise("é" * 127)
    with pytest.raises(InvalidKey):
        normalise("é" * 128)
    assert normalise("/".join(["x" * 191] * 4) + "/")
    with pytest.raises(InvalidKey):
        normalise("/".join(["x" * 191] * 4) + "x" * 2)


def test_the_root_is_a_prefix_but_no_name() -> None:
    assert normalise_prefix("./") == ""
    assert normalise_prefix("a/./b") == "a/b/"
    with pytest.raises(InvalidKey):
        normalise_name("./")


def test_only_names_that_could_be_keys_are_listed() -> None:
    names = ["a", "a b", ".~fl-1", "..", ".", "a\\b", "\udcff", "C:"]
    assert [name for name in names if is_key_segment(name)] == ["a", "a b"]
