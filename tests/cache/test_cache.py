"""A cache: looking up, saving in two phases, evicting, querying."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.backends import MemoryBackend
from fleche_like.cache import Cache
from fleche_like.errors import ReadOnlyError
from fleche_like.storage import BackendCallStorage, BackendValueStorage, PerKeyLockMixin
from fleche_like.support.sentinel import MISSING
from tests.storage.places import DictCalls, DictValues


def make_plain(folder):
    return Cache(DictValues(), DictCalls())


def make_bytes(folder):
    return Cache(BackendValueStorage(MemoryBackend()), BackendCallStorage(MemoryBackend()))


def make_memory(folder):
    return fl.open_cache("memory://")


def make_embedded(folder):
    return fl.open_cache(folder / "cache")


def make_without_tier(folder):
    return fl.open_cache(folder / "cache", memory_bytes=0)


MAKERS = [make_plain, make_bytes, make_memory, make_embedded, make_without_tier]


@pytest.fixture(params=MAKERS)
def cache(request, tmp_path):
    with request.param(tmp_path) as opened:
        yield opened


@pytest.fixture(params=MAKERS[1:])
def encoding_cache(request, tmp_path):
    """One that stores bytes, not the very objects."""
    with request.param(tmp_path) as opened:
        yield opened


def call(result=MISSING, /, **arguments):
    return fl.Call("f", arguments, "module", result=result)


@pytest.mark.parametrize("result", [None, 0, "", [], {"a": 1}, 2.5, (1, [2])], ids=repr)
def test_a_saved_call_is_looked_up_by_its_key(cache, result):
    key = cache.save(call(result, x=[1]))
    assert key == call(x=[1]).key
    for _ in range(3):
        assert cache.lookup(key) == result
    assert cache.contains(key)
    assert cache.contains(key[:8])
    loaded = cache.load(key[:8])
    assert (loaded.result, dict(loaded.arguments)) == (result, {"x": [1]})
    assert cache.load_value(fl.digest(result)) == result


def test_a_miss_is_no_value(cache):
    assert cache.lookup(call(x=1).key) is MISSING
    assert not cache.contains(call(x=1).key)
    with pytest.raises(KeyError):
        cache.load(call(x=1).key)


def test_a_call_without_result_is_not_saved(cache):
    with pytest.raises(ValueError, match="no result"):
        cache.save(call(x=1))


def test_what_changes_after_preparing_does_not_change_what_is_stored(encoding_cache):
    cache = encoding_cache
    items, array = [1, 2], np.arange(300_000)
    made = call(items=items, array=array)
    key = made.key
    prepared = cache.prepare(made)
    items.append(3)
    array[:] = 0
    assert cache.commit(prepared, "done", {"note": "later"}) == key
    loaded = cache.load(key)
    assert loaded.arguments["items"] == [1, 2]
    np.testing.assert_array_equal(loaded.arguments["array"], np.arange(300_000))
    assert loaded.metadata == {"note": "later"}


def test_a_record_is_not_visible_without_its_result(cache, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk")

    prepared = cache.prepare(call(x=1))
    writes = "_insert" if hasattr(cache.calls, "_insert") else "save"
    monkeypatch.setattr(cache.calls, writes, fail)
    with pytest.raises(OSError, match="disk"):
        cache.commit(prepared, {"large": 1})
    monkeypatch.undo()
    assert cache.lookup(prepared.key) is MISSING
    assert [*cache.query()] == []
    cache.commit(prepared, {"large": 1})
    assert cache.lookup(prepared.key) == {"large": 1}


def test_a_record_whose_result_was_evicted_is_a_miss(cache):
    key = cache.save(call([1, 2], x=1))
    cache.values.evict(fl.digest([1, 2]))
    cache.memory.clear()
    assert cache.lookup(key) is MISSING
    cache.save(call([1, 2], x=1))
    assert cache.lookup(key) == [1, 2]


def test_evicting_takes_the_record_and_leaves_the_values(cache):
    key = cache.save(call([1, 2], x=1))
    cache.lookup(key)
    cache.evict(key[:10])
    assert cache.lookup(key) is MISSING
    assert cache.values.load(fl.digest([1, 2])) == [1, 2]
    cache.evict(key)
    with pytest.raises(KeyError):
        cache.evict(key[:10])


def test_short_keys_expand_and_shrink(cache):
    first, second = cache.save(call(1, x=1)), cache.save(call(2, x=2))
    assert cache.expand(cache.shrink(first)) == first
    assert cache.shrink(first, second) == (cache.shrink(first), cache.shrink(second))
    assert cache.shrink_keys([first]) == [cache.shrink(first)]
    assert cache.shrink_keys([]) == []


def test_queries_match_parts_of_calls(cache):
    cache.save(fl.Call("f", {"x": 1, "y": "a"}, result=0.5))
    cache.save(fl.Call("f", {"x": 2, "y": "a"}, result=1.5, metadata={"tags": {"who": "ann"}}))
    cache.save(fl.Call("g", {"x": 2}, result=None))
    assert cache.query(name="f").count() == 2
    assert cache.query(arguments={"x": 2}).count() == 2
    assert cache.query(result=0.5).one().arguments["x"] == 1
    assert cache.query(metadata={"tags.who": "ann"}).one().result == 1.5
    assert [c.result for c in cache.query(name="f").where(fl.arg("x") > 1)] == [1.5]
    assert [c.arguments["x"] for c in cache.query(name="f").order_by("-x")] == [2, 1]
    assert cache.query(fl.QueryCall(name="g")).one().result is None


def test_figures(cache):
    key = cache.save(call(1, x=1))
    cache.lookup(key)
    cache.lookup(call(x=2).key)
    stats = cache.stats()
    assert (stats.calls, stats.hits, stats.misses, stats.stored) == (1, 1, 1, 1)


def test_a_read_only_cache_refuses_writes(tmp_path):
    with make_embedded(tmp_path) as cache:
        key = cache.save(call(1, x=1))
    with fl.open_cache(tmp_path / "cache", read_only=True) as cache:
        assert cache.lookup(key) == 1
        for write in (
            lambda: cache.save(call(2, x=2)),
            lambda: cache.evict(key),
            lambda: cache.prepare(call(x=2)),
        ):
            with pytest.raises(ReadOnlyError):
                write()


def test_a_pickled_cache_opens_the_same_place(tmp_path):
    with make_embedded(tmp_path) as cache:
        key = cache.save(call([1], x=1))
        twin = pickle.loads(pickle.dumps(cache))
        assert twin.lookup(key) == [1]
        twin.close()


class Locked(PerKeyLockMixin, Cache):
    """A cache with a lock for each key."""


def test_lock_mixins_attach_to_caches():
    with Locked(DictValues(), DictCalls()) as cache:
        key = cache.save(call(1, x=1))
        assert cache.lookup(key) == 1
        cache.evict(key)
        assert pickle.loads(pickle.dumps(cache)).lookup(key) is MISSING


def test_damage_is_a_miss_and_never_a_wrong_value(tmp_path):
    with make_without_tier(tmp_path) as cache:
        array = np.arange(100_000)
        key = cache.save(call(array, x=1))
        (file,) = [each for each in (tmp_path / "cache" / "values").rglob("*") if each.is_file()]
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        assert cache.lookup(key) is MISSING
        cache.save(call(array, x=1))
        np.testing.assert_array_equal(cache.lookup(key), array)
