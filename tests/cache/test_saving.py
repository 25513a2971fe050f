"""Storing a call and its result straight does what the plain steps do."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import fleche_like as fl
from fleche_like.cache import Cache
from fleche_like.calls import Call
from fleche_like.index import SqlCallStorage
from fleche_like.storage import BackendValueStorage, SerializingMixin
from fleche_like.support.sentinel import MISSING
from fleche_like.testing.strategies import values as any_values


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    straight = fl.open_cache(tmp_path_factory.mktemp("straight"), memory_bytes=0)
    plain = fl.open_cache(tmp_path_factory.mktemp("plain"), memory_bytes=0)
    assert straight._save_straight is not None
    plain._save_straight = None
    with contextlib.closing(straight), contextlib.closing(plain):
        yield straight, plain


def rows(cache, key):
    """What is stored of a call, but for when it was used."""
    database = cache.calls.database
    with contextlib.closing(database._driver.connect()) as connection:
        call = connection.execute(
            "SELECT key, function, result, kind, num, text, cost, record FROM calls WHERE key = ?",
            (key,),
        ).fetchone()
        blobs = connection.execute("SELECT key FROM blobs ORDER BY key").fetchall()
    return call, blobs


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=any_values())
def test_both_ways_store_the_same(caches, value):
    call = Call("f", {"x": 1}, metadata={"runtime": {"walltime": 0.5}})
    straight, plain = caches
    prepared = [cache.prepare(call) for cache in caches]
    try:
        plain.commit(prepared[1], value, call.metadata)
    except (fl.SaveError, fl.Indigestible) as error:
        with pytest.raises(type(error)):
            straight.commit(prepared[0], value, call.metadata)
        return
    straight.commit(prepared[0], value, call.metadata)
    assert rows(straight, call.key) == rows(plain, call.key)
    # Two pickles of one value may differ in what they share, never in what they hold.
    held = [fl.digest(cache.values.load(fl.digest(value))) for cache in caches]
    assert held[0] == held[1]


def test_the_size_of_the_result_is_stored(caches):
    straight, _ = caches
    for value in ([1, 2], list(range(5000)), b"large" * 100_000):
        key = straight.save(Call("g", {"x": len(value)}, result=value))
        ((size,),) = straight.calls.database.read(
            straight.calls.database.prepare(_size_of(), ("key",)), (key,)
        )
        assert size >= len(bytes(straight.values.backend.get_bytes(_path(fl.digest(value)))))


def _size_of():
    import sqlalchemy as sa

    from fleche_like.index.models import calls

    return sa.select(calls.c.size).where(calls.c.key == sa.bindparam("key"))


def _path(digest):
    return f"values/{digest[:2]}/{digest[2:4]}/{digest}"


def test_nothing_is_stored_if_the_call_cannot_be(tmp_path, monkeypatch):
    with fl.open_cache(tmp_path) as cache:
        calls: Any = cache.calls
        prepared = cache.prepare(Call("f", {"x": 1}))
        monkeypatch.setattr(calls._writer._ids, "function", _fail)
        with pytest.raises(OSError, match="disk"):
            cache.commit(prepared, {"small": 1})
        monkeypatch.undo()
        assert cache.lookup(prepared.key) is MISSING
        assert not cache.values.contains(fl.digest({"small": 1}))


def _fail(*_args):
    raise OSError("disk")


class Locked(SerializingMixin, SqlCallStorage):
    """Calls behind a lock."""


class Counting(SqlCallStorage):
    """Calls that are counted."""

    saved = 0

    def save(self, call, **options):
        self.saved += 1
        return super().save(call, **options)


@pytest.mark.parametrize("kind", [Locked, Counting])
def test_what_a_subclass_adds_to_saving_is_not_passed_by(tmp_path, kind):
    with fl.open_cache(tmp_path) as opened:
        storages: Any = opened.values, opened.calls
        calls = kind(storages[1].database)
        cache = Cache(BackendValueStorage(storages[0].backend), calls)
        assert cache._save_straight is None
        key = cache.save(Call("f", {"x": 1}, result=2))
        assert cache.lookup(key) == 2
        assert getattr(calls, "saved", 1) == 1
