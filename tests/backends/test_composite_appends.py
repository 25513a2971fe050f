"""Appends through composites: records of threads and processes all arrive, whichever tier moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fleche_like.backends import (
    ByteBackend,
    DatabaseBackend,
    LocalBackend,
    MemoryBackend,
    MemoryTierBackend,
    MirroredBackend,
    PathStorage,
    TieredBackend,
)
from fleche_like.errors import BackendUnavailable
from tests.servers import needs_postgresql, postgresql_url

Make = Callable[[Path], ByteBackend]


def in_sqlite(folder: Path) -> ByteBackend:
    blobs = DatabaseBackend(f"sqlite:///{folder}/blobs.db")
    return TieredBackend(blobs, LocalBackend(folder / "large"))


def in_memory(folder: Path) -> ByteBackend:
    return TieredBackend(MemoryBackend(), MemoryBackend())


def on_a_server(folder: Path) -> ByteBackend:
    return TieredBackend(DatabaseBackend(postgresql_url()), LocalBackend(folder / "large"))


def mirrored(folder: Path) -> ByteBackend:
    return MirroredBackend(LocalBackend(folder / "1"), LocalBackend(folder / "2"))


class Plain(MemoryBackend):
    """A backend that cannot append."""

    append_bytes = None  # type: ignore[assignment]  # as protocols say that a method is not there

    def get_bytes(self, key: str) -> bytes:
        found = super().get_bytes(key)
        time.sleep(0.001)  # so that another thread comes in between
        return found


def unable(folder: Path) -> ByteBackend:
    return Plain()


@pytest.mark.parametrize(
    "make",
    [in_sqlite, in_memory, mirrored, unable, pytest.param(on_a_server, marks=needs_postgresql)],
)
def test_storages_over_one_place_lose_no_record_behind_what_was_put(
    make: Make, tmp_path: Path
) -> None:
    """All begin at once, when the file is small and has to be moved to where it can grow."""
    backend = make(tmp_path)
    for turn in range(10):
        backend.put_bytes(f"log{turn}", b"head;")
        ready = threading.Barrier(4)

        def work(number: int, name: str = f"log{turn}", ready: threading.Barrier = ready) -> None:
            storage = PathStorage(backend)
            ready.wait()
            for record in range(3):
                storage.append(name, f"{number}.{record};".encode())

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        head, *records = backend.get_bytes(f"log{turn}").decode().rstrip(";").split(";")
        assert head == "head"
        assert sorted(records) == sorted(f"{n}.{record}" for n in range(4) for record in range(3))
    backend.close()


def test_a_file_that_grows_leaves_the_small_tier() -> None:
    tiers = TieredBackend(MemoryBackend(), MemoryBackend(), threshold_bytes=10)
    tiers.put_bytes("k", b"a larger payload")
    tiers.put_bytes("k", b"small")
    tiers.append_bytes("k", b"er")
    tiers.append_bytes("new", b"1")
    assert list(tiers.small.list_prefix("")) == []
    assert dict(tiers.get_many(["k", "new"])) == {"k": b"smaller", "new": b"1"}


def test_an_emptied_file_is_appended_to_from_its_beginning(tmp_path: Path) -> None:
    tiers = in_sqlite(tmp_path)
    storage = PathStorage(tiers)
    for data in (b"x" * 100_000, b"", b"small", b""):
        storage.write("k", data)
        assert storage.read("k") == data
    storage.append("k", b"1")
    assert storage.read("k") == b"1"
    storage.close()


def test_an_append_that_fails_half_way_is_made_good_by_the_next() -> None:
    class Away(MemoryBackend):
        away = False

        def append_bytes(self, key: str, data: Any) -> None:
            if self.away:
                raise BackendUnavailable("away", key=key, url=self.url)
            super().append_bytes(key, data)

    secondary = Away()
    both = MirroredBackend(MemoryBackend(), secondary)
    both.append_bytes("log", b"1")
    secondary.away = True
    with pytest.raises(BackendUnavailable):
        both.append_bytes("log", b"2")
    secondary.away = False
    both.append_bytes("log", b"3")
    assert both.primary.get_bytes("log") == secondary.get_bytes("log") == b"123"


def test_an_append_goes_behind_what_the_primary_lacks() -> None:
    both = MirroredBackend(MemoryBackend(), MemoryBackend())
    both.secondary.put_bytes("log", b"1")
    both.append_bytes("log", b"2")
    assert both.primary.get_bytes("log") == both.secondary.get_bytes("log") == b"12"


def test_what_was_kept_in_memory_is_dropped_by_an_append() -> None:
    tier = MemoryTierBackend(MemoryBackend(), max_bytes=1000)
    tier.put_bytes("log", b"1")
    tier.append_bytes("log", b"2")
    assert tier.get_bytes("log") == b"12"
