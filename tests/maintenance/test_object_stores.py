"""Signed caches, and moving and keeping calls, where values are in buckets of real servers."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.backends import FsspecBackend
from fleche_like.cache import Cache
from fleche_like.codecs import generate_key
from fleche_like.codecs.signing import signer_of
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance import export, gc, import_, sync, transfer, verify
from fleche_like.storage import BackendCallStorage, BackendValueStorage
from fleche_like.storage.layout import path
from fleche_like.support.sentinel import MISSING
from tests import servers

OURS, THEIRS = generate_key(), generate_key()
NOTHING_IS_YOUNG = timedelta(seconds=-5)
ARRAY = np.arange(40_000.0)
RESULTS = [7, {"n": [1]}, "text" * 1000, ARRAY, [ARRAY, "in parts"]]


def on_s3(root: str) -> FsspecBackend:
    return FsspecBackend("s3", f"{servers.s3_bucket()}/{root}", **servers.s3_options())


def on_azure(root: str) -> FsspecBackend:
    return FsspecBackend("az", f"{servers.azure_container()}/{root}", **servers.azure_options())


def values_there(folder: Any, backend: Any, signer: Any) -> Any:
    return SqlCallStorage(f"sqlite:///{folder}/index.db", signer=signer)


def values_and_records_there(folder: Any, backend: Any, signer: Any) -> Any:
    return SqlCallStorage(f"sqlite:///{folder}/index.db", records=backend, signer=signer)


def all_there(_folder: Any, backend: Any, signer: Any) -> Any:
    return BackendCallStorage(backend, signer=signer)


class Place:
    """One cache with its values in a bucket, opened as often as wanted, with any keys."""

    def __init__(self, backend: FsspecBackend, calls: Any, folder: Any) -> None:
        self.backend = backend
        self._calls = calls
        self._folder = folder

    def open(self, *keys: str) -> Any:
        signer = signer_of(keys) if keys else None
        values = BackendValueStorage(self.backend, signer=signer, destructure_bytes=50_000)
        return Cache(values, self._calls(self._folder, self.backend, signer), memory_bytes=0)


@pytest.fixture(
    params=[
        pytest.param(on_s3, marks=servers.needs_s3),
        pytest.param(on_azure, marks=servers.needs_azure),
    ]
)
def store(request):
    return request.param(uuid.uuid4().hex)


@pytest.fixture
def place(store, tmp_path):
    return Place(store, values_and_records_there, tmp_path)


@pytest.fixture(params=[values_there, values_and_records_there, all_there])
def any_place(request, store, tmp_path):
    return Place(store, request.param, tmp_path)


def call(number: int) -> fl.Call:
    return fl.Call("f", {"n": number}, module="lab", result=RESULTS[number])


def fill(cache: Any) -> list[Any]:
    return [cache.save(call(number)) for number in range(len(RESULTS))]


def wrong(cache: Any, keys: list[Any]) -> list[int]:
    """Which calls do not answer with their results; each that does is compared."""
    missed = []
    for number, key in enumerate(keys):
        found = cache.lookup(key)
        if found is MISSING:
            missed.append(number)
        else:
            np.testing.assert_equal(found, RESULTS[number])
    return missed


# --- signed caches -------------------------------------------------------------------------------


def test_what_is_signed_is_believed_by_who_has_the_key(any_place):
    with any_place.open(OURS) as cache:
        keys = fill(cache)
        assert wrong(cache, keys) == []
        assert verify(cache).is_sound
    with any_place.open(THEIRS, OURS) as cache:  # rotated: the old one is known still
        assert wrong(cache, keys) == []
        assert verify(cache).is_sound
    with any_place.open(THEIRS) as cache:
        assert wrong(cache, keys) == [0, 1, 2, 3, 4]


def test_who_lacks_the_key_makes_misses_and_no_values(place):
    with place.open(OURS) as cache:
        keys = fill(cache)
        digests = [fl.digest(result) for result in RESULTS]
    with place.open() as forger:
        for number in (1, 3):
            forger.values.put_encoded(
                forger.values.encode("forged", digests[number]), digests[number]
            )
    with place.open(OURS) as cache:
        assert wrong(cache, keys) == [1, 3, 4]  # the last has the array as a part
        found = verify(cache, repair="quarantine")
        assert found.found["value"] == found.left == 2
        assert [cache.save(call(number)) for number in (1, 3, 4)] == [keys[n] for n in (1, 3, 4)]
        assert wrong(cache, keys) == []


def test_a_forged_record_is_a_miss(place):
    with place.open(OURS) as cache:
        keys = fill(cache)
        backend, where = place.backend, path("calls/", keys[1])
        good, other = backend.get_bytes(where), backend.get_bytes(path("calls/", keys[2]))
        for forged in (other, good[:-1]):
            backend.put_bytes(where, forged)
            assert verify(cache).found == {"record": 1}
            assert wrong(cache, keys) == [1]  # and puts it aside
            assert cache.save(call(1)) == keys[1]
            assert wrong(cache, keys) == []
        assert verify(cache).is_sound


# --- moving --------------------------------------------------------------------------------------


def test_calls_go_there_and_back_and_are_signed_anew(any_place, tmp_path):
    with (
        fl.open_cache(tmp_path / "from", keys=THEIRS, memory_bytes=0) as source,
        fl.open_cache(tmp_path / "to", keys=False, memory_bytes=0) as last,
        any_place.open(OURS) as there,
    ):
        keys = fill(source)
        assert transfer(source, there, show_progress=False).copied == len(keys)
        assert wrong(there, keys) == []
        assert verify(there).is_sound
        assert transfer(source, there, show_progress=False).present == len(keys)
        assert transfer(there, last, pop=True, show_progress=False).copied == len(keys)
        assert wrong(last, keys) == []
        assert wrong(there, keys) == [0, 1, 2, 3, 4]


def test_both_sides_have_all_calls_after_a_sync(place, tmp_path):
    with fl.open_cache(tmp_path / "here", memory_bytes=0) as here, place.open(OURS) as there:
        keys = [(here if n % 2 else there).save(call(n)) for n in range(len(RESULTS))]
        sync(here, there, show_progress=False)
        assert wrong(here, keys) == wrong(there, keys) == []
        assert verify(there).is_sound


def test_an_archive_goes_there_and_back(place, tmp_path):
    with fl.open_cache(tmp_path / "here", memory_bytes=0) as here, place.open() as there:
        keys = fill(there)
        export(there, tmp_path / "archive", show_progress=False)
        import_(here, tmp_path / "archive", show_progress=False)
        assert wrong(here, keys) == []
        export(here, tmp_path / "back", show_progress=False)
        for key in keys[:3]:
            there.evict(key)
        import_(there, tmp_path / "back", show_progress=False)
        assert wrong(there, keys) == []


def test_an_interrupted_transfer_goes_on(place, tmp_path, monkeypatch):
    class Interrupted(BaseException):
        pass

    with fl.open_cache(tmp_path / "here", memory_bytes=0) as here, place.open(OURS) as there:
        keys = fill(here)
        put = FsspecBackend.put_many

        def failing(backend: Any, items: Any) -> None:
            put(backend, list(items)[:2])
            raise Interrupted

        with monkeypatch.context() as patch:
            patch.setattr(FsspecBackend, "put_many", failing)
            with pytest.raises(Interrupted):
                transfer(here, there, show_progress=False)
        assert verify(there).is_sound
        transfer(here, there, show_progress=False)
        assert wrong(there, keys) == []
        assert verify(there).is_sound


# --- upkeep --------------------------------------------------------------------------------------


def test_damage_there_is_found_and_mended_from_a_copy(place, tmp_path):
    with fl.open_cache(tmp_path / "copy", memory_bytes=0) as copy, place.open(OURS) as there:
        keys = fill(there)
        transfer(there, copy, show_progress=False)
        where = path("values/", fl.digest(RESULTS[2]))
        data = bytearray(place.backend.get_bytes(where))
        data[len(data) // 2] ^= 1
        place.backend.put_bytes(where, bytes(data))
        place.backend.delete(path("values/", fl.digest(RESULTS[1])))
        place.backend.delete(path("values/", fl.digest(ARRAY)))
        assert verify(there).found == {"value": 1, "result": 2, "part": 1}
        assert verify(there, repair=copy).left == 0
        assert verify(there).is_sound
        assert wrong(there, keys) == []


def test_what_nothing_uses_goes_and_parts_of_what_is_used_stay(place):
    with place.open() as cache:
        keys = [cache.save(call(number)) for number in (1, 2, 4)]
        cache.values.save(["unused"])
        cache.evict(keys[1])
        assert gc(cache).values == 0  # young
        found = gc(cache, grace=NOTHING_IS_YOUNG)
        assert found.values == 2
        np.testing.assert_equal(cache.lookup(keys[2]), RESULTS[4])
        assert cache.lookup(keys[0]) == RESULTS[1]
        assert verify(cache).is_sound
