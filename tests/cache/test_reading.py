"""The reader that takes one statement agrees with the plain one, whatever is stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fleche_like as fl
from fleche_like.cache.reading import plain_reader, reader_of
from fleche_like.support.sentinel import MISSING
from fleche_like.testing.strategies import values


@pytest.fixture
def cache(tmp_path):
    with fl.open_cache(tmp_path / "cache", memory_bytes=0) as opened:
        yield opened


def both(cache):
    fast, plain = (make(cache.values, cache.calls) for make in (reader_of, plain_reader))
    assert fast.__qualname__ != plain.__qualname__
    return fast, plain


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values())
def test_they_agree_on_any_result(cache, value):
    key = cache.save(fl.Call("f", {"x": value}, result=value))
    fast, plain = both(cache)
    assert fl.digest(fast(key)) == fl.digest(plain(key)) == fl.digest(value)


def blob(cache, key):
    return f"values/{key[:2]}/{key[2:4]}/{key}"


def damage(cache, digest):
    cache.values.backend.put_bytes(blob(cache, digest), b"garbage")


def remove(cache, digest):
    cache.values.backend.delete(blob(cache, digest))


@pytest.mark.parametrize("change", [damage, remove])
@pytest.mark.parametrize("value", [[1], 1], ids=["a list", "a scalar"])
def test_a_result_that_is_damaged_or_gone(cache, change, value):
    key = cache.save(fl.Call("f", {}, result=value))
    change(cache, fl.digest(value))
    fast, plain = both(cache)
    # Scalars are in the record as well; what is there twice is not lost.
    expected = MISSING if isinstance(value, list) else value
    assert (fast(key), plain(key)) == (expected, expected)


def test_a_large_result_lies_in_a_file(cache):
    array = np.arange(100_000)
    key = cache.save(fl.Call("f", {}, result=array))
    for read in both(cache):
        np.testing.assert_array_equal(read(key), array)


def test_what_is_not_stored_is_missing(cache):
    for read in both(cache):
        assert read(fl.digest("absent")) is MISSING


def test_values_elsewhere_are_read_plainly(tmp_path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with fl.open_cache(url, values=tmp_path / "values") as cache:
        assert reader_of(cache.values, cache.calls).__qualname__.startswith("plain")
        key = cache.save(fl.Call("f", {}, result=[1]))
        assert cache.lookup(key) == [1]
