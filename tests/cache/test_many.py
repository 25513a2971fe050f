"""Many results in one step are the results one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.backends import LocalBackend, MemoryBackend
from fleche_like.calls import Call
from fleche_like.database import Database
from fleche_like.index import SqlCallStorage, upgrade
from fleche_like.storage import BackendCallStorage, BackendValueStorage
from tests.servers import needs_postgresql, postgresql_url

RESULTS = [0, None, "text", {"a": [1]}, np.arange(20_000), {"a": [1]}, 2.5, [None] * 3]


def embedded(folder: Path) -> fl.Cache:
    return fl.open_cache(folder / "cache")


def values_in_files(folder: Path) -> fl.Cache:
    return fl.open_cache(f"sqlite:///{folder}/index.db", values=folder / "values")


def plain_storages(folder: Path) -> fl.Cache:
    values = BackendValueStorage(LocalBackend(folder / "values"))
    return fl.Cache(values, BackendCallStorage(LocalBackend(folder / "calls")))


def values_that_come_together(folder: Path) -> fl.Cache:
    calls = SqlCallStorage(f"sqlite:///{folder}/index.db", records=MemoryBackend())
    return fl.Cache(BackendValueStorage(MemoryBackend()), calls)


def on_a_server(folder: Path) -> fl.Cache:
    url = postgresql_url()
    upgrade(url)
    return fl.open_cache(url)


PLACES = [
    embedded,
    values_in_files,
    plain_storages,
    values_that_come_together,
    pytest.param(on_a_server, marks=needs_postgresql),
]


@pytest.fixture(params=PLACES)
def cache(request, tmp_path):
    with request.param(tmp_path) as opened:
        yield opened


def stored(cache: fl.Cache, number: int) -> fl.Digest:
    return cache.save(Call("f", {"n": number}, result=RESULTS[number % len(RESULTS)]))


def absent(number: int) -> fl.Digest:
    return fl.digest(("absent", number))


@pytest.mark.parametrize("size", [0, 1, 40, 1100])
def test_they_are_those_of_single_lookups(cache, size):
    keys = [stored(cache, n) for n in range(size)]
    mixed = [key for n, key in enumerate(keys) for key in (key, absent(n))]
    found = cache.lookup_many(mixed)
    assert found.keys() == set(keys)
    for key in keys[:40]:
        np.testing.assert_equal(found[key], cache.lookup(key))


def test_equal_results_share_no_object(cache):
    first, second = stored(cache, 3), stored(cache, 5)
    found = cache.lookup_many([first, second])
    assert found[first] == found[second]
    assert found[first]["a"] is not found[second]["a"]


def test_a_result_that_is_gone_is_left_out(cache):
    keys = [stored(cache, n) for n in range(6)]
    cache.values.evict(fl.digest(RESULTS[4]))
    assert cache.lookup_many(keys).keys() == {key for n, key in enumerate(keys) if n != 4}


def test_what_is_in_memory_is_seen_and_what_was_evicted_is_not(tmp_path):
    with embedded(tmp_path) as cache:
        keys = [stored(cache, n) for n in range(4)]
        for _ in range(3):
            assert len(cache.lookup_many(keys)) == 4
        assert len(cache.memory) == 4
        assert cache.hits == 12
        cache.evict(keys[0])
        assert cache.lookup_many(keys).keys() == set(keys[1:])
        assert cache.misses == 1


def test_one_statement_reads_them_all(tmp_path, monkeypatch):
    with fl.open_cache(tmp_path / "cache", memory_bytes=0) as cache:
        keys = [stored(cache, n) for n in range(4)] + [absent(n) for n in range(3000)]
        statements = []
        for name in ("read", "read_one"):
            plain = getattr(Database, name)

            def noted(self, prepared, params=(), plain=plain):
                statements.append(prepared.text)
                return plain(self, prepared, params)

            monkeypatch.setattr(Database, name, noted)
        assert len(cache.lookup_many(keys)) == 4
        assert len(statements) == 1


def _explode():
    raise RuntimeError("boom")


def test_what_does_not_decode_here_is_left_out(cache):
    sound = stored(cache, 3)
    bad = Call("f", {"n": -1}, result=MarkedForTrouble())
    assert cache.lookup_many([sound, cache.save(bad)]).keys() == {sound}


class MarkedForTrouble:
    """Digestible, and saved as what raises when it is decoded."""

    def __digest__(self):
        return fl.digest("trouble")

    def __reduce__(self):
        return _explode, ()


def test_a_damaged_result_is_put_aside(tmp_path):
    with values_in_files(tmp_path) as cache:
        keys = [stored(cache, n) for n in range(5)]
        (file,) = (tmp_path / "values").rglob(str(fl.digest(RESULTS[4])))
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        assert len(cache.lookup_many(keys)) == 4
        assert not file.exists()
