"""The contract of byte backends as tests: subclass, say how to make one, and run pytest.

::

    class TestMine(ByteBackendConformance):
        def make(self, folder):
            return MyBackend(folder)

Needs pytest and Hypothesis. A test that a backend's abilities do not allow is skipped with that as
its reason.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fleche_like.backends import (
    ByteBackend,
    SupportsAge,
    SupportsBatch,
    SupportsMap,
    SupportsOpen,
    SupportsParts,
    SupportsRange,
    SupportsStarts,
    SupportsStat,
    SupportsTransaction,
)
from fleche_like.errors import InvalidKey, KeyNotFound
from fleche_like.testing.backend_machine import BackendMachine
from fleche_like.testing.places import (
    INVALID_KEYS,
    ODD_KEYS,
    VIEWS,
    PlaceConformance,
    all_succeeded,
    fork,
    started,
)


class ByteBackendConformance(PlaceConformance):
    """What every backend promises: override :meth:`make`; attributes say what the place can do."""

    #: Keys that differ only in case are one, as on some file systems.
    ignores_case: ClassVar[bool] = False
    #: How many keys a long listing has.
    many_keys: ClassVar[int] = 1500

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[ByteBackend]:
        """The backend under test, closed afterwards."""
        made = self.make(tmp_path)
        yield made
        made.close()

    # --- bytes under keys -----------------------------------------------------------------------

    def test_it_is_a_byte_backend_with_a_url(self, backend: ByteBackend) -> None:
        assert isinstance(backend, ByteBackend)
        assert ":" in backend.url

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    @pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000], ids=len)
    def test_bytes_come_back_as_they_went_in(
        self, backend: ByteBackend, data: bytes, kind: Callable[[bytes], Any]
    ) -> None:
        backend.put_bytes("a/b", kind(data))
        found = backend.get_bytes("a/b")
        assert type(found) is bytes
        assert found == data

    @pytest.mark.parametrize("view", VIEWS, ids=("doubles", "table", "gaps", "empty"))
    def test_a_view_is_stored_as_its_bytes(self, backend: ByteBackend, view: memoryview) -> None:
        backend.put_bytes("k", view)
        assert backend.get_bytes("k") == view.tobytes()
        if isinstance(backend, SupportsParts):
            backend.put_parts("k", (view, b"-", view))
            assert backend.get_bytes("k") == view.tobytes() + b"-" + view.tobytes()

    def test_later_changes_to_what_was_put_do_not_show(self, backend: ByteBackend) -> None:
        data = bytearray(b"before")
        backend.put_bytes("k", data)
        data[:] = b"after!"
        assert backend.get_bytes("k") == b"before"

    def test_an_absent_key_raises_one_error_that_says_which(self, backend: ByteBackend) -> None:
        backend.put_bytes("a/b", b"")
        for key in ("x", "a", "a/b/c", "a/bc", ""):
            with pytest.raises(KeyNotFound) as caught:
                backend.get_bytes(key)
            error = pickle.loads(pickle.dumps(caught.value))
            assert error.key == key
            assert ":" in error.url
            assert isinstance(error, KeyError)
            assert isinstance(error, FileNotFoundError)

    def test_a_key_exists_when_bytes_are_stored_under_it(self, backend: ByteBackend) -> None:
        backend.put_bytes("a/b", b"")
        present = {key: backend.exists(key) for key in ("a/b", "a", "", "a/b/c", "a/bc", "b")}
        assert present == dict.fromkeys(present, False) | {"a/b": True}

    def test_a_put_replaces_whatever_was_there(self, backend: ByteBackend) -> None:
        for size in (10, 200_000, 3, 0, 200_001):
            backend.put_bytes("k", b"x" * size)
            assert backend.get_bytes("k") == b"x" * size
            assert list(backend.list_prefix("")) == ["k"]

    def test_delete_removes_one_key_and_is_silent_otherwise(self, backend: ByteBackend) -> None:
        for key in ("a/b", "a/bc", "ab"):
            backend.put_bytes(key, b"")
        for key in ("a/b", "a/b", "a", "", "a/bc/d", "nothing/here"):
            backend.delete(key)
        assert list(backend.list_prefix("", recursive=True)) == ["a/bc", "ab"]

    def test_a_key_that_is_also_a_container_is_refused_or_works(self, backend: ByteBackend) -> None:
        backend.put_bytes("a/b", b"1")
        backend.put_bytes("f", b"2")
        kept = {"a/b": b"1", "f": b"2"}
        for key in ("a", "f/g"):
            try:
                backend.put_bytes(key, b"3")
            except InvalidKey:
                continue
            kept[key] = b"3"
        assert {k: backend.get_bytes(k) for k in backend.list_prefix("", recursive=True)} == kept

    def test_a_container_whose_keys_are_gone_makes_room(self, backend: ByteBackend) -> None:
        backend.put_bytes("a/b/c", b"1")
        backend.delete("a/b/c")
        backend.put_bytes("a", b"2")
        assert backend.get_bytes("a") == b"2"

    # --- names ----------------------------------------------------------------------------------

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_odd_names_are_ordinary_keys(self, backend: ByteBackend, key: str) -> None:
        if key in self.impossible_names:
            pytest.skip(f"{type(self).__name__} says that its place cannot keep {key!r}")
        backend.put_bytes(key, b"odd")
        assert backend.get_bytes(key) == b"odd"
        assert list(backend.list_prefix("", recursive=True)) == [key]
        backend.delete(key)
        assert not backend.exists(key)

    def test_keys_that_differ_only_in_case_are_two(self, backend: ByteBackend) -> None:
        if self.ignores_case:
            pytest.skip(f"{type(self).__name__} says that its place ignores case")
        for key in ("a/Key", "a/key", "A/key", "\u00c9", "\u00e9"):
            backend.put_bytes(key, key.encode())
        assert backend.get_bytes("a/Key") == b"a/Key"
        assert list(backend.list_prefix("a")) == ["a/Key", "a/key"]
        assert list(backend.list_prefix("")) == ["A/", "a/", "\u00c9", "\u00e9"]

    @pytest.mark.parametrize("spelling", ["./a/b", "a//b", "a/./b", "a/b/", "././/a///b/."])
    def test_spellings_of_one_key_are_one_key(self, backend: ByteBackend, spelling: str) -> None:
        backend.put_bytes(spelling, b"1")
        assert list(backend.list_prefix("./", recursive=True)) == ["a/b"]
        assert backend.get_bytes("a/b") == backend.get_bytes(spelling) == b"1"
        assert backend.exists(spelling)
        backend.delete(spelling)
        assert not backend.exists("a/b")

    @pytest.mark.parametrize("key", INVALID_KEYS)
    def test_keys_that_could_leave_the_root_are_refused(
        self, backend: ByteBackend, key: str
    ) -> None:
        backend.put_bytes("a/b", b"kept")
        attempts: list[Callable[[], object]] = [
            lambda: backend.put_bytes(key, b"bad"),
            lambda: backend.get_bytes(key),
            lambda: backend.exists(key),
            lambda: backend.delete(key),
            lambda: backend.delete_prefix(key),
            lambda: list(backend.list_prefix(key)),
            lambda: list(backend.list_prefix(key, recursive=True)),
            lambda: backend.ensure_prefix(key),
        ]
        for attempt in attempts:
            with pytest.raises(InvalidKey) as caught:
                attempt()
            assert isinstance(caught.value, ValueError)
            assert caught.value.key == key
        assert list(backend.list_prefix("", recursive=True)) == ["a/b"]

    @pytest.mark.parametrize("root", ["", ".", "./", "./."])
    def test_nothing_is_stored_under_the_root(self, backend: ByteBackend, root: str) -> None:
        with pytest.raises(InvalidKey):
            backend.put_bytes(root, b"")

    # --- containers -----------------------------------------------------------------------------

    _KEYS: ClassVar = ("g/a", "g/b/c", "g/b/d", "g-x", "g.bin", "g0", "ga/x", "h", "g/b.c")

    def _fill(self, backend: ByteBackend) -> None:
        for key in self._KEYS:
            backend.put_bytes(key, key.encode())

    @pytest.mark.parametrize("prefix", ["g", "g/", "./g//"])
    def test_a_listing_takes_whole_names_sorted(self, backend: ByteBackend, prefix: str) -> None:
        self._fill(backend)
        assert list(backend.list_prefix(prefix)) == ["g/a", "g/b.c", "g/b/"]
        assert list(backend.list_prefix(prefix, recursive=True)) == [
            "g/a",
            "g/b.c",
            "g/b/c",
            "g/b/d",
        ]

    def test_the_root_lists_everything(self, backend: ByteBackend) -> None:
        self._fill(backend)
        assert list(backend.list_prefix("")) == ["g-x", "g.bin", "g/", "g0", "ga/", "h"]
        assert list(backend.list_prefix("", recursive=True)) == sorted(self._KEYS)

    def test_listing_what_is_no_container_yields_nothing(self, backend: ByteBackend) -> None:
        self._fill(backend)
        for prefix in ("x", "g.bin", "g/a", "g/b/c/d"):
            assert list(backend.list_prefix(prefix)) == []
            assert list(backend.list_prefix(prefix, recursive=True)) == []

    def test_a_listing_may_be_left_and_the_backend_changed_meanwhile(
        self, backend: ByteBackend
    ) -> None:
        self._fill(backend)
        listing = backend.list_prefix("", recursive=True)
        assert next(listing) == "g-x"
        backend.put_bytes("new", b"")
        backend.delete("g-x")
        assert set(listing) - {"new"} == set(self._KEYS) - {"g-x"}

    def test_many_keys_are_listed_once_each(self, backend: ByteBackend) -> None:
        keys = sorted(f"{n % 7}/{n % 3}/{n}" for n in range(self.many_keys))
        if isinstance(backend, SupportsBatch):
            backend.put_many((key, b"") for key in keys)
        else:
            for key in keys:
                backend.put_bytes(key, b"")
        assert list(backend.list_prefix("", recursive=True)) == keys
        assert list(backend.list_prefix("")) == [f"{n}/" for n in range(7)]
        assert list(backend.list_prefix("3")) == ["3/0/", "3/1/", "3/2/"]

    def test_delete_prefix_takes_whole_names(self, backend: ByteBackend) -> None:
        self._fill(backend)
        backend.delete_prefix("g")
        backend.delete_prefix("h")
        backend.delete_prefix("nothing/here")
        assert list(backend.list_prefix("", recursive=True)) == ["g-x", "g.bin", "g0", "ga/x", "h"]

    def test_deleting_the_root_prefix_leaves_an_empty_usable_backend(
        self, backend: ByteBackend
    ) -> None:
        self._fill(backend)
        backend.delete_prefix("")
        assert list(backend.list_prefix("", recursive=True)) == []
        backend.put_bytes("g/a", b"again")
        assert backend.get_bytes("g/a") == b"again"

    def test_ensuring_a_container_makes_no_key(self, backend: ByteBackend) -> None:
        for _ in range(2):
            backend.ensure_prefix("a/b/")
            backend.ensure_prefix("")
        assert not backend.exists("a/b")
        assert list(backend.list_prefix("", recursive=True)) == []
        backend.put_bytes("a/b/c", b"1")
        assert list(backend.list_prefix("a/b")) == ["a/b/c"]

    # --- others at work -------------------------------------------------------------------------

    def test_readers_see_whole_values_while_writers_replace_them(
        self, backend: ByteBackend
    ) -> None:
        payloads = [bytes([n]) * (n * 30_000 + 1) for n in range(1, 6)]
        backend.put_bytes("shared/key", payloads[0])
        done = threading.Event()

        def write(number: int) -> None:
            for turn in range(10):
                backend.put_bytes("shared/key", payloads[(number + turn) % 5])

        def read() -> int:
            count = 0
            while not done.is_set() or not count:
                assert backend.get_bytes("shared/key") in payloads
                count += 1
            return count

        with ThreadPoolExecutor(6) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            writers = [pool.submit(write, number) for number in range(4)]
            try:
                for writer in writers:
                    writer.result()
            finally:
                done.set()
            assert all(reader.result() for reader in readers)
        assert list(backend.list_prefix("", recursive=True)) == ["shared/key"]

    def test_writers_and_removers_of_one_container_do_not_trip_each_other(
        self, backend: ByteBackend
    ) -> None:
        def work(number: int) -> None:
            for turn in range(30):
                backend.put_bytes(f"c/{number}/{turn}", b"x")
                if turn % 5 == number:
                    backend.delete_prefix("c")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        backend.delete_prefix("c")
        assert list(backend.list_prefix("", recursive=True)) == []

    def test_processes_share_one_place(self, backend: ByteBackend) -> None:
        if not self.outlives_process:
            pytest.skip("lives in one process")
        workers = started(_write_some, backend, 2)
        while any(worker.is_alive() for worker in workers):
            assert backend.exists("shared") is False or len(backend.get_bytes("shared")) == 50_000
        assert all_succeeded(workers)
        own = sorted(f"own/{number}/{turn}" for number in range(2) for turn in range(20))
        assert list(backend.list_prefix("own", recursive=True)) == own

    def test_a_forked_child_reads_and_writes(self, backend: ByteBackend) -> None:
        if not hasattr(os, "fork"):
            pytest.skip("no fork on this platform")
        backend.put_bytes("before", b"parent")
        child = fork()
        if child == 0:
            _exit_with(lambda: _child_work(backend))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert backend.get_bytes("before") == b"parent"
        backend.put_bytes("after", b"parent")
        assert backend.exists("child") is self.outlives_process

    def test_a_pickled_backend_arrives_with_its_configuration(self, backend: ByteBackend) -> None:
        backend.put_bytes("a", b"1")
        copy = pickle.loads(pickle.dumps(backend))
        try:
            assert list(copy.list_prefix("")) == (["a"] if self.outlives_process else [])
            copy.put_bytes("b", b"2")
            assert backend.exists("b") is self.outlives_process
        finally:
            copy.close()

    def test_close_may_be_called_twice(self, backend: ByteBackend) -> None:
        backend.put_bytes("a", b"1")
        backend.close()
        backend.close()

    # --- abilities ------------------------------------------------------------------------------

    def test_parts_are_stored_joined(self, backend: ByteBackend) -> None:
        able = _need(backend, SupportsParts)
        big = bytes(range(256)) * 2000
        parts = (b"ab", memoryview(big), bytearray(3), b"", big)
        able.put_parts("x/p", parts)
        assert backend.get_bytes("x/p") == b"".join(parts)
        able.put_parts("x/p", ())
        assert backend.get_bytes("x/p") == b""

    @pytest.mark.parametrize("size", [0, 1, 100_000])
    def test_an_open_file_reads_what_was_there(self, backend: ByteBackend, size: int) -> None:
        able = _need(backend, SupportsOpen)
        data = os.urandom(size)
        backend.put_bytes("f", data)
        with able.open_read("f") as file:
            backend.put_bytes("f", b"new")
            target = bytearray(size)
            assert file.readinto(target) == size
            assert target == data
            assert file.seek(0, os.SEEK_END) == size
        for absent in ("absent", "", "f/x"):
            with pytest.raises(KeyNotFound):
                able.open_read(absent)

    @pytest.mark.parametrize("size", [0, 1, 100_000])
    def test_a_map_is_private_and_stays_valid(self, backend: ByteBackend, size: int) -> None:
        able = _need(backend, SupportsMap)
        data = os.urandom(size)
        backend.put_bytes("m", data)
        first, second = able.map_bytes("m"), able.map_bytes("m")
        first[:] = bytes(size)
        assert (bytes(second), backend.get_bytes("m")) == (data, data)
        backend.delete("m")
        assert bytes(second) == data
        for absent in ("m", "", "absent/x"):
            with pytest.raises(KeyNotFound):
                able.map_bytes(absent)

    def test_a_stat_knows_size_and_time(self, backend: ByteBackend, tmp_path: Path) -> None:
        able = _need(backend, SupportsStat)
        for size in (0, 5, 200_000):
            backend.put_bytes("a/s", b"x" * size)
            found = able.stat("a/s")
            assert found is not None
            assert found.size == size
            (tmp_path / "now").touch()  # the clock of files may be coarse, so it is asked too
            assert abs(found.mtime - (tmp_path / "now").stat().st_mtime) < 60
        assert [able.stat(key) for key in ("a", "", "absent", "a/s/x")] == [None] * 4

    @pytest.mark.parametrize("size", [5, 200_000])
    def test_what_is_renewed_counts_as_written_now(self, backend: ByteBackend, size: int) -> None:
        able = _need(backend, SupportsAge)
        stat = _need(backend, SupportsStat).stat
        backend.put_bytes("a/s", b"x" * size)
        written = stat("a/s").mtime
        time.sleep(0.02)
        assert able.renew("./a/s")
        assert stat("a/s").mtime > written
        assert backend.get_bytes("a/s") == b"x" * size
        assert not any(map(able.renew, ("absent", "a", "a/s/x")))
        assert list(backend.list_prefix("", recursive=True)) == ["a/s"]

    @pytest.mark.parametrize("size", [5, 200_000])
    def test_only_what_is_older_is_removed(self, backend: ByteBackend, size: int) -> None:
        able = _need(backend, SupportsAge)
        backend.put_bytes("a/s", b"x" * size)
        written = _need(backend, SupportsStat).stat("a/s").mtime
        assert not able.delete_older("a/s", written - 1)
        assert not able.delete_older("a/s", written)
        assert backend.exists("a/s")
        assert able.delete_older("./a/s", written + 1)
        assert not backend.exists("a/s")
        assert able.delete_older("a/s", written + 1)

    @pytest.mark.parametrize("size", [10, 100_000])
    def test_a_range_is_a_slice(self, backend: ByteBackend, size: int) -> None:
        able = _need(backend, SupportsRange)
        data = os.urandom(size)
        backend.put_bytes("r", data)
        for offset in (0, 3, size - 1, size, size + 5):
            assert able.read_range("r", offset) == data[offset:]
            for length in (0, 1, 4, size, 1 << 50):
                assert able.read_range("r", offset, length) == data[offset : offset + length]
        for offset, negative in ((-1, None), (0, -1)):
            with pytest.raises(ValueError, match="-1"):
                able.read_range("r", offset, negative)
        with pytest.raises(KeyNotFound):
            able.read_range("absent", 0)

    def test_a_batch_gives_what_exists_as_it_was_spelled(self, backend: ByteBackend) -> None:
        able = _need(backend, SupportsBatch)
        items = {f"b/{number}": str(number).encode() for number in range(250)}
        able.put_many(iter(items.items()))
        able.put_many([])
        found = dict(able.get_many([*items, "./b/1", "absent", "b"]))
        assert found == items | {"./b/1": b"1"}
        assert dict(able.get_many([])) == {}
        with pytest.raises(InvalidKey):
            able.put_many([("c", b""), ("../c", b"")])
        assert not backend.exists("c")

    def test_many_keys_are_looked_at_together(self, backend: ByteBackend) -> None:
        able = _need(backend, SupportsStarts)
        items = {f"s/{number}": bytes([number % 256]) * (number * 40) for number in range(250)}
        for key, data in items.items():
            backend.put_bytes(key, data)
        for length in (0, 1, 4096):
            found = {key: (size, start) for key, size, start in able.get_starts(items, length)}
            assert found == {key: (len(data), data[:length]) for key, data in items.items()}
        assert list(able.get_starts(["./s/1", "absent", "s"], 2)) == [("./s/1", 40, b"\x01\x01")]
        assert list(able.get_starts([], 1)) == []

    def test_a_transaction_is_undone_by_an_exception(self, backend: ByteBackend) -> None:
        able = _need(backend, SupportsTransaction)
        backend.put_bytes("old", b"old")

        def interrupted() -> None:
            with able.transaction(), able.transaction():
                backend.put_bytes("old", b"new")
                backend.put_bytes("other", b"new")
                assert backend.get_bytes("old") == b"new"
                raise InterruptedError

        with pytest.raises(InterruptedError):
            interrupted()
        assert backend.get_bytes("old") == b"old"
        assert not backend.exists("other")
        with able.transaction():
            backend.put_bytes("old", b"new")
        assert backend.get_bytes("old") == b"new"

    # --- all of it, in any order ----------------------------------------------------------------

    def test_it_behaves_as_a_dict_whatever_is_done(self) -> None:
        self.run_machine(BackendMachine, steps=25)


def _need(backend: ByteBackend, ability: Any) -> Any:
    if not isinstance(backend, ability):
        pytest.skip(f"{type(backend).__name__} does not claim {ability.__name__}")
    return backend


def _write_some(backend: ByteBackend, number: int) -> None:
    for turn in range(20):
        backend.put_bytes(f"own/{number}/{turn}", b"x")
        backend.put_bytes("shared", bytes([number]) * 50_000)
        assert len(set(backend.get_bytes("shared"))) == 1


def _child_work(backend: ByteBackend) -> None:
    assert backend.get_bytes("before") == b"parent"
    backend.put_bytes("child", b"child")
    assert backend.get_bytes("child") == b"child"


def _exit_with(work: Callable[[], None]) -> None:
    """Leave a forked child without running what the parent will run at its own exit."""
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)
