"""The contract of path-level storages as tests, through their plain and their asynchronous face.

::

    class TestMine(StorageConformance):
        def make(self, folder):
            return MyStorage(folder)

Needs pytest and Hypothesis.
"""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from fleche_like.backends import AsyncStorage, Buffer, Storage, StorageStat
from fleche_like.errors import InvalidKey
from fleche_like.testing.places import (
    INVALID_KEYS,
    ODD_KEYS,
    VIEWS,
    PlaceConformance,
    all_succeeded,
    started,
)
from fleche_like.testing.storage_machine import StorageMachine

RECORDS = 15


class Awaited:
    """The asynchronous face of a storage, worn as a plain one: each call runs a loop of its own."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage

    def url(self, path: str = "") -> str:
        """As the storage says."""
        return str(self.storage.url(path))

    def read(self, path: str) -> bytes:
        """Run ``aread``."""
        return bytes(asyncio.run(self.storage.aread(path)))

    def write(self, path: str, data: Buffer) -> None:
        """Run ``awrite``."""
        asyncio.run(self.storage.awrite(path, data))

    def append(self, path: str, data: Buffer) -> None:
        """Run ``aappend``."""
        asyncio.run(self.storage.aappend(path, data))

    def exists(self, path: str) -> bool:
        """Run ``aexists``."""
        return bool(asyncio.run(self.storage.aexists(path)))

    def stat(self, path: str) -> StorageStat | None:
        """Run ``astat``."""
        found: StorageStat | None = asyncio.run(self.storage.astat(path))
        return found

    def read_range(self, path: str, offset: int, length: int | None = None) -> bytes:
        """Run ``aread_range``."""
        return bytes(asyncio.run(self.storage.aread_range(path, offset, length)))

    def list_dir(self, prefix: str) -> list[str]:
        """Run ``alist_dir``."""
        return list(asyncio.run(self.storage.alist_dir(prefix)))

    def remove(self, path: str) -> None:
        """Run ``aremove``."""
        asyncio.run(self.storage.aremove(path))

    def remove_dir(self, path: str) -> None:
        """Run ``aremove_dir``."""
        asyncio.run(self.storage.aremove_dir(path))

    def flush(self) -> None:
        """As the storage does: the protocol has no other."""
        self.storage.flush()

    def close(self) -> None:
        """As the storage does."""
        self.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class StorageConformance(PlaceConformance):
    """What every storage promises: override :meth:`make`; attributes say what the place can do."""

    #: Records that several processes append to one file are all kept.
    appends_from_processes: ClassVar[bool] = True
    machine_examples = 30

    @pytest.fixture
    def made(self, tmp_path: Path) -> Iterator[Any]:
        """The storage under test, closed afterwards."""
        storage = self.make(tmp_path)
        yield storage
        storage.close()

    @pytest.fixture(params=["plain", "async"])
    def storage(self, made: Any, request: pytest.FixtureRequest) -> Storage:
        """The storage under test, through each of its faces."""
        face: Storage = Awaited(made) if request.param == "async" else made
        return face

    def test_it_is_a_storage_with_both_faces(self, made: Any) -> None:
        assert isinstance(made, Storage)
        assert isinstance(made, AsyncStorage)

    def test_a_url_names_root_and_file(self, storage: Storage) -> None:
        assert ":" in storage.url()
        assert storage.url("runs/./1 a").endswith("/runs/1%20a")
        with pytest.raises(InvalidKey):
            storage.url("../x")

    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 300], ids=len)
    def test_what_was_written_is_read(self, storage: Storage, data: bytes) -> None:
        storage.write("a/b/c", b"before")
        storage.write("./a//b/c", data)
        assert storage.read("a/b/c") == data
        assert storage.exists("a/b/c")
        found = storage.stat("a/b/c")
        assert found is not None
        assert found.size == len(data)

    def test_appends_add_up_in_order_and_are_seen_at_once(self, storage: Storage) -> None:
        expected = b""
        for number in range(5):
            record = b"" if number == 0 else f"{number}\0\xff\n".encode("latin-1")
            storage.append("runs/log", record)
            expected += record
            assert storage.read("runs/log") == expected
            assert storage.exists("runs/log")
            assert storage.list_dir("runs") == ["log"]
            assert storage.read_range("runs/log", 1, 3) == expected[1:4]
            found = storage.stat("runs/log")
            assert found is not None
            assert found.size == len(expected)

    def test_an_append_goes_behind_what_was_written(self, storage: Storage) -> None:
        storage.write("log", b"one,")
        storage.append("./log", memoryview(b"two,"))
        storage.flush()
        storage.append("log", bytearray(b"three"))
        assert storage.read("log") == b"one,two,three"
        storage.write("log", b"new")
        storage.flush()
        assert storage.read("log") == b"new"
        storage.append("log", b"er")
        storage.flush()
        assert storage.read("log") == b"newer"

    @pytest.mark.parametrize("view", VIEWS, ids=("doubles", "table", "gaps", "empty"))
    def test_a_view_is_written_and_appended_as_its_bytes(self, made: Any, view: memoryview) -> None:
        made.write("v", view)
        made.append("v", view)
        assert made.read("v") == view.tobytes() * 2

    def test_what_is_absent_is_a_file_not_found(self, storage: Storage) -> None:
        storage.write("a/b", b"1")
        for path in ("x", "a", "a/b/c", "", "a/bc"):
            for attempt in (storage.read, lambda path: storage.read_range(path, 0, 1)):
                with pytest.raises(FileNotFoundError) as caught:
                    attempt(path)
                assert pickle.loads(pickle.dumps(caught.value)).key == path
            assert storage.exists(path) is False
            assert storage.stat(path) is None

    def test_a_range_is_a_slice(self, storage: Storage) -> None:
        data = bytes(range(200))
        storage.write("r", data)
        for offset, length in ((0, None), (5, None), (5, 10), (199, 5), (200, 5), (300, None)):
            end = None if length is None else offset + length
            assert storage.read_range("r", offset, length) == data[offset:end]
        assert storage.read_range("r", 0, 0) == b""
        with pytest.raises(ValueError, match="-1"):
            storage.read_range("r", -1)

    def test_a_listing_gives_immediate_names_only(self, storage: Storage) -> None:
        for path in ("g/a", "g/b/c", "g/b/d", "g.x", "ga/x"):
            storage.write(path, b"")
        storage.append("g/z", b"")
        assert storage.list_dir("g") == storage.list_dir("./g/") == ["a", "b", "z"]
        assert storage.list_dir("") == ["g", "g.x", "ga"]
        assert storage.list_dir("g/a") == storage.list_dir("absent") == []

    def test_remove_takes_one_file_and_is_silent_otherwise(self, storage: Storage) -> None:
        storage.write("a/b", b"1")
        storage.append("a/c", b"2")
        for path in ("a", "absent", "a/c", "a/c", ""):
            storage.remove(path)
        assert storage.list_dir("a") == ["b"]
        storage.flush()
        assert storage.list_dir("a") == ["b"]
        storage.append("a/c", b"3")
        assert storage.read("a/c") == b"3"

    def test_remove_dir_takes_nothing_but_empty_folders(self, storage: Storage) -> None:
        storage.write("a/b/c", b"1")
        for path in ("a", "a/b", "a/b/c", "absent", ""):
            storage.remove_dir(path)
        assert storage.read("a/b/c") == b"1"
        storage.remove("a/b/c")
        storage.remove_dir("a/b")
        assert storage.list_dir("a") == []
        storage.write("a/b", b"2")
        assert storage.read("a/b") == b"2"

    @pytest.mark.parametrize("path", ODD_KEYS)
    def test_odd_names_are_ordinary(self, made: Any, path: str) -> None:
        if path in self.impossible_names:
            pytest.skip(f"{type(self).__name__} says that its place cannot keep {path!r}")
        made.append(path, b"o")
        made.flush()
        made.append(path, b"dd")
        assert made.read(path) == b"odd"
        folder, _, name = path.rpartition("/")
        assert made.list_dir(folder) == [name]
        made.remove(path)
        assert not made.exists(path)

    @pytest.mark.parametrize("path", INVALID_KEYS)
    def test_paths_that_could_leave_the_root_are_refused(self, made: Any, path: str) -> None:
        attempts: list[Callable[[], object]] = [
            lambda: made.read(path),
            lambda: made.write(path, b""),
            lambda: made.append(path, b""),
            lambda: made.exists(path),
            lambda: made.stat(path),
            lambda: made.read_range(path, 0),
            lambda: made.list_dir(path),
            lambda: made.remove(path),
            lambda: made.remove_dir(path),
            lambda: made.url(path),
            lambda: asyncio.run(made.aappend(path, b"")),
        ]
        for attempt in attempts:
            with pytest.raises(InvalidKey):
                attempt()
        made.flush()
        assert made.list_dir("") == []

    def test_nothing_is_appended_to_the_root(self, storage: Storage) -> None:
        with pytest.raises(InvalidKey):
            storage.append("", b"x")

    def test_threads_append_to_one_file(self, made: Any) -> None:
        def work(number: int) -> None:
            for turn in range(25):
                made.append("log", f"{number}.{turn}\n".encode())

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        lines = made.read("log").decode().splitlines()
        assert sorted(lines) == sorted(f"{n}.{turn}" for n in range(4) for turn in range(25))
        mine = [line for line in lines if line.startswith("2.")]
        assert mine == [f"2.{turn}" for turn in range(25)]

    def test_threads_write_one_file(self, made: Any) -> None:
        def work(number: int) -> None:
            for _ in range(5):
                made.write("one", bytes([number]) * 30_000)
                assert len(set(made.read("one"))) == 1

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert len(made.read("one")) == 30_000

    def test_processes_append_to_one_file(self, made: Any) -> None:
        if not (self.outlives_process and self.appends_from_processes):
            pytest.skip("lives in one process, or its appends are read and written back")
        assert all_succeeded(started(_append_some, made, 3))
        lines = made.read("log").decode().splitlines()
        assert sorted(lines) == sorted(
            _record(n, turn) for n in range(3) for turn in range(RECORDS)
        )

    def test_coroutines_do_not_hold_up_the_loop(self, made: Any) -> None:
        async def work() -> int:
            ticks = 0
            files = asyncio.gather(*(made.awrite(f"f/{n}", b"x" * 10_000) for n in range(20)))
            while not files.done():
                await asyncio.sleep(0)
                ticks += 1
            await files
            return ticks

        assert asyncio.run(work()) > 1
        assert len(made.list_dir("f")) == 20

    def test_a_pickled_storage_arrives_with_its_configuration(self, made: Any) -> None:
        made.write("a", b"1")
        copy = pickle.loads(pickle.dumps(made))
        try:
            assert copy.list_dir("") == (["a"] if self.outlives_process else [])
        finally:
            copy.close()

    def test_leaving_a_with_block_brings_appends_home(self, made: Any) -> None:
        with made as storage:
            assert storage is made
            storage.append("log", b"1")
        made.close()
        if self.outlives_process:
            with pickle.loads(pickle.dumps(made)) as copy:
                assert copy.read("log") == b"1"

    def test_it_behaves_as_a_dict_whatever_is_done(self) -> None:
        self.run_machine(StorageMachine, steps=20)


def _record(number: int, turn: int) -> str:
    return f"{number}.{turn}." + "x" * (turn * 130)


def _append_some(storage: Any, number: int) -> None:
    for turn in range(RECORDS):
        storage.append("log", (_record(number, turn) + os.linesep).encode())
    storage.close()
