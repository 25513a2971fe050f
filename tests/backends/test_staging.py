"""Appends that wait for a flush: nothing is lost, nothing of others is overwritten."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from fleche_like.backends import FsspecBackend, FsspecStorage
from fleche_like.backends import stage as stage_module
from fleche_like.backends.stage import Stage, StagedFile, default_parent
from fleche_like.errors import BackendUnavailable, FlushFailed, WriteConflict
from fleche_like.testing.places import fork


class Watched(MemoryFileSystem):  # type: ignore[misc]  # published without types
    """A filesystem in memory that counts its puts, and fails for chosen names."""

    protocol = "watched"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.puts: list[str] = []
        self.broken: set[str] = set()
        self.during: Any = None
        self.lose_answer = False

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        name = path.rpartition("/")[2]
        self.puts.append(name)
        if name in self.broken:
            raise ConnectionResetError("the server went away")
        if self.during is not None:
            during, self.during = self.during, None
            during()
        super().pipe_file(path, value, **options)
        if self.lose_answer:
            self.lose_answer = False
            raise ConnectionResetError("the server went away behind its answer")


@pytest.fixture
def root() -> str:
    return f"/{uuid.uuid4().hex}"


@pytest.fixture
def filesystem() -> Watched:
    return Watched()


@pytest.fixture
def backend(filesystem: Watched, root: str, monkeypatch: pytest.MonkeyPatch) -> FsspecBackend:
    made = FsspecBackend(filesystem, root)
    made.flat = True  # as an object store is: nothing is put to take a place
    return made


@pytest.fixture
def storage(backend: FsspecBackend, tmp_path: Path) -> FsspecStorage:
    return FsspecStorage(backend, staging=tmp_path)


def stages(folder: Path) -> list[Path]:
    return [path for path in folder.glob("stage-*/file-*") if (path / "meta.json").exists()]


def test_each_changed_file_is_uploaded_once_and_the_stage_dropped(
    storage: FsspecStorage, filesystem: Watched, tmp_path: Path
) -> None:
    storage.backend.put_bytes("old", b"1")
    filesystem.puts.clear()
    for name in ("old", "new"):
        for _ in range(5):
            storage.append(name, b"x")
    assert filesystem.puts == []
    storage.flush()
    storage.flush()
    assert sorted(filesystem.puts) == ["new", "old"]
    assert stages(tmp_path) == []
    assert storage.backend.get_bytes("old") == b"1xxxxx"


def test_an_append_after_a_flush_takes_up_what_is_there_now(storage: FsspecStorage) -> None:
    storage.append("log", b"1")
    storage.flush()
    storage.backend.put_bytes("log", b"others")
    storage.append("log", b"2")
    assert storage.read("log") == b"others2"


def test_an_append_of_nothing_makes_a_file_and_uploads_no_other(
    storage: FsspecStorage, filesystem: Watched
) -> None:
    storage.backend.put_bytes("old", b"1")
    filesystem.puts.clear()
    storage.append("old", b"")
    storage.append("new", b"")
    storage.flush()
    assert filesystem.puts == ["new"]
    assert storage.backend.get_bytes("new") == b""


def test_an_append_that_arrives_during_a_flush_is_kept(
    storage: FsspecStorage, filesystem: Watched
) -> None:
    storage.append("log", b"1")
    filesystem.during = lambda: storage.append("log", b"2")
    storage.flush()
    assert storage.backend.get_bytes("log") == b"1"
    assert storage.read("log") == b"12"
    storage.append("log", b"3")
    storage.flush()
    assert storage.backend.get_bytes("log") == b"123"


def test_a_failed_upload_keeps_its_stage_and_lets_others_go_on(
    storage: FsspecStorage, filesystem: Watched
) -> None:
    for name in ("a", "b", "c"):
        storage.append(name, name.encode())
    filesystem.broken = {"b"}
    with pytest.raises(BackendUnavailable) as caught:
        storage.flush()
    assert caught.value.key == "b"
    assert sorted(storage.backend.list_prefix("")) == ["a", "c"]
    assert storage.read("b") == b"b"
    filesystem.broken = set()
    storage.flush()
    assert storage.backend.get_bytes("b") == b"b"


def test_several_failed_uploads_are_one_error_that_names_them(
    storage: FsspecStorage, filesystem: Watched
) -> None:
    filesystem.broken = {"a", "b"}
    for name in ("a", "b"):
        storage.append(name, b"x")
    with pytest.raises(FlushFailed) as caught:
        storage.flush()
    error = pickle.loads(pickle.dumps(caught.value))
    assert sorted(error.failures) == ["a", "b"]
    assert isinstance(error, ConnectionError)


def test_a_failed_close_destroys_nothing(
    storage: FsspecStorage, filesystem: Watched, tmp_path: Path
) -> None:
    storage.append("log", b"1")
    filesystem.broken = {"log"}
    with pytest.raises(BackendUnavailable):
        storage.close()
    assert len(stages(tmp_path)) == 1
    assert storage.read("log") == b"1"
    filesystem.broken = set()
    storage.close()
    assert storage.backend.get_bytes("log") == b"1"
    assert list(tmp_path.iterdir()) == []


def test_an_upload_whose_answer_was_lost_is_not_repeated(
    storage: FsspecStorage, filesystem: Watched
) -> None:
    storage.append("log", b"1")
    filesystem.lose_answer = True
    with pytest.raises(BackendUnavailable):
        storage.flush()
    storage.append("log", b"2")
    storage.flush()
    assert storage.backend.get_bytes("log") == b"12"


def test_a_write_and_a_remove_settle_with_the_stage(
    storage: FsspecStorage, filesystem: Watched, tmp_path: Path
) -> None:
    storage.append("a", b"1")
    storage.append("b", b"1")
    storage.write("a", b"new")
    storage.remove("b")
    filesystem.puts.clear()
    storage.flush()
    assert filesystem.puts == []
    assert storage.read("a") == b"new"
    assert not storage.exists("b")
    assert stages(tmp_path) == []


def test_a_write_that_fails_leaves_the_stage(storage: FsspecStorage, filesystem: Watched) -> None:
    storage.append("a", b"1")
    filesystem.broken = {"a"}
    with pytest.raises(BackendUnavailable):
        storage.write("a", b"new")
    assert storage.read("a") == b"1"


@pytest.mark.parametrize("before", [None, b"base,"])
@pytest.mark.parametrize("same", [False, True])
def test_two_writers_of_one_file_lose_nothing(
    backend: FsspecBackend, tmp_path: Path, before: bytes | None, same: bool
) -> None:
    """Also where both append the same bytes, so that contents do not tell whose they are."""
    if before is not None:
        backend.put_bytes("log", before)
    first = FsspecStorage(backend, staging=tmp_path / "1")
    second = FsspecStorage(backend, staging=tmp_path / "2")
    first.append("log", b"one,")
    second.append("log", b"one," if same else b"two,")
    first.flush()
    second.flush()
    expected = (before or b"") + (b"one,one," if same else b"one,two,")
    assert backend.get_bytes("log") == expected


def test_a_writer_that_refuses_overwrites_nothing_and_keeps_its_stage(
    backend: FsspecBackend, tmp_path: Path
) -> None:
    careful = FsspecStorage(backend, staging=tmp_path, on_conflict="refuse")
    careful.append("log", b"mine")
    backend.put_bytes("log", b"others")
    with pytest.raises(WriteConflict) as caught:
        careful.flush()
    assert isinstance(caught.value, FileExistsError)
    assert backend.get_bytes("log") == b"others"
    assert careful.read("log") == b"mine"


def test_a_file_that_others_removed_is_no_conflict_of_contents(
    backend: FsspecBackend, storage: FsspecStorage
) -> None:
    backend.put_bytes("log", b"base,")
    storage.append("log", b"mine")
    backend.delete("log")
    storage.flush()
    assert backend.get_bytes("log") == b"mine"


def test_a_full_disk_while_staging_loses_no_earlier_append(
    storage: FsspecStorage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storage.append("log", b"kept")
    with monkeypatch.context() as patched:

        def full(*args: object) -> int:
            raise OSError(errno.ENOSPC, "no room")

        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="no room"):
            storage.append("log", b"lost")
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="no room"):
            storage.append("other", b"lost")
    assert len(stages(tmp_path)) == 1
    assert not storage.exists("other")
    storage.flush()
    assert storage.backend.get_bytes("log") == b"kept"


CRASH = """
import os, sys
from fleche_like.backends import FsspecStorage
storage = FsspecStorage("file", sys.argv[1], staging=sys.argv[2])
storage.append("runs/log", b"unflushed")
storage.append("other", b"more")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_stage_left_by_a_crash_is_recovered_once_its_owner_is_dead(tmp_path: Path) -> None:
    root, staging = tmp_path / "root", tmp_path / "staging"
    root.mkdir()
    (root / "other").write_bytes(b"before,")
    writer = subprocess.Popen(
        [sys.executable, "-c", CRASH, root, staging], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with FsspecStorage("file", str(root), staging=staging) as storage:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        assert storage.recover() == []
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        storage.append("other", b"mine,")
        elsewhere = FsspecStorage("file", str(tmp_path / "elsewhere"), staging=staging)
        assert elsewhere.recover() == []
        assert sorted(storage.recover()) == ["other", "runs/log"]
        assert storage.recover() == []
        assert storage.read("runs/log") == b"unflushed"
    assert (root / "runs/log").read_bytes() == b"unflushed"
    assert (root / "other").read_bytes() == b"before,mine,more"
    assert list(staging.iterdir()) == []


def test_a_pickle_carries_no_stage_and_no_secret(tmp_path: Path) -> None:
    secrets: dict[str, Any] = {"username": "ann", "password": "hunter2-secret"}
    storage = FsspecStorage("ftp", "/data", staging=tmp_path, host="example.org", **secrets)
    assert b"hunter2" not in pickle.dumps(storage)
    for shown in (repr(storage), storage.url("a"), repr(storage.backend), storage.backend.identity):
        assert "hunter2" not in shown
    told = FsspecStorage("ftp", "/data", keep_secrets=True, host="example.org", **secrets)
    assert b"hunter2" in pickle.dumps(told)


def test_a_copy_begins_with_an_empty_stage(storage: FsspecStorage, tmp_path: Path) -> None:
    plain = FsspecStorage("memory", f"/{uuid.uuid4().hex}", staging=tmp_path)
    plain.append("log", b"1")
    copy = pickle.loads(pickle.dumps(plain))
    assert copy.read("log") == b""  # what takes the place of the file until it is flushed
    copy.append("log", b"2")
    copy.close()
    plain.close()
    assert plain.read("log") == b"21"


def test_a_forked_child_begins_with_an_empty_stage_and_leaves_ours(
    storage: FsspecStorage, tmp_path: Path
) -> None:
    storage.append("log", b"1")
    child = fork()
    if child == 0:
        code = 1
        try:
            storage.close()
            code = 0 if storage.recover() == [] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert storage.read("log") == b"1"
    storage.close()


def test_threads_append_while_others_flush(storage: FsspecStorage) -> None:
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            storage.flush()

    flusher = threading.Thread(target=flush)
    flusher.start()

    def append(number: int) -> None:
        for turn in range(50):
            storage.append("log", f"{number}.{turn};".encode())

    threads = [threading.Thread(target=append, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    flusher.join()
    storage.flush()
    records = storage.backend.get_bytes("log").decode().rstrip(";").split(";")
    assert sorted(records) == sorted(f"{n}.{turn}" for n in range(3) for turn in range(50))


def test_somebody_elses_folder_is_no_place_for_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert default_parent().stat().st_mode & 0o777 == 0o700
    stranger = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    (tmp_path / f"fleche-like-{stranger}").mkdir()
    with pytest.raises(PermissionError):
        default_parent()


def test_many_writers_that_flush_at_once_all_get_through(
    backend: FsspecBackend, tmp_path: Path
) -> None:
    """Each flush that finds the file changed looks again, however often that is."""
    ready = threading.Barrier(6)
    storages = [FsspecStorage(backend, staging=tmp_path / f"{n}") for n in range(6)]
    put = backend.replace
    one_at_a_time = threading.Lock()

    def exact(key: str, data: bytes, version: tuple[str, int] | None) -> bool:
        with one_at_a_time:  # as S3 and Azure decide
            return put(key, data, version)

    backend.replace = exact  # type: ignore[method-assign]
    backend.put_bytes("log", b"")

    def work(number: int) -> None:
        ready.wait()
        for turn in range(5):
            storages[number].append("log", f"{number}.{turn};".encode())
            storages[number].flush()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = backend.get_bytes("log").decode().rstrip(";").split(";")
    assert sorted(records) == sorted(f"{n}.{turn}" for n in range(6) for turn in range(5))


def test_a_part_of_a_staged_file_is_read_without_the_rest(
    storage: FsspecStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.append("log", bytes(range(100)))
    monkeypatch.setattr(StagedFile, "read", None)
    assert storage.read_range("log", 10, 5) == bytes(range(10, 15))
    assert storage.read_range("log", 98) == b"bc"
    assert storage.read_range("log", 200, 5) == b""
    with pytest.raises(ValueError, match="-1"):
        storage.read_range("log", 0, -1)


def test_a_file_that_cannot_be_taken_up_is_not_listed(
    storage: FsspecStorage, filesystem: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def broken(*args: object) -> None:
        seen.append(storage.list_dir(""))
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(Stage, "fill", broken)
    with pytest.raises(OSError, match="no room"):
        storage.append("log", b"1")
    assert seen == [[]]
    assert storage.list_dir("") == []


def test_a_stage_cannot_be_found_before_its_owner_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it looks like one whose owner died, and is taken from under its owner."""
    found: list[Path] = []
    lock = stage_module._lock

    def watched(folder: Path) -> int:
        found.extend(tmp_path.glob("stage-*"))
        return lock(folder)

    monkeypatch.setattr(stage_module, "_lock", watched)
    stage = Stage.new(tmp_path, "place")
    assert found == []
    assert list(Stage.abandoned(tmp_path, "place")) == []
    stage.close()


def test_a_stage_that_somebody_else_has_just_recovered_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage.new(tmp_path, "place").forget()
    lock = stage_module._lock

    def late(folder: Path) -> int:
        descriptor = lock(folder)
        shutil.rmtree(folder)
        return descriptor

    monkeypatch.setattr(stage_module, "_lock", late)
    assert list(Stage.abandoned(tmp_path, "place")) == []


@pytest.mark.parametrize("arrived", [False, True])
def test_what_was_recovered_is_not_repeated_behind_what_arrived(
    backend: FsspecBackend, filesystem: Watched, tmp_path: Path, arrived: bool
) -> None:
    """The owner died when its upload was under way, and others went on with the file."""
    dead = FsspecStorage(backend, staging=tmp_path)
    dead.append("log", b"dead,")
    filesystem.lose_answer, filesystem.broken = arrived, set() if arrived else {"log"}
    with pytest.raises(BackendUnavailable):
        dead.flush()
    filesystem.broken = set()
    assert dead._stage is not None
    dead._stage.forget()
    heir = FsspecStorage(backend, staging=tmp_path)
    heir.append("log", b"mine,")
    assert heir.recover() == ["log"]
    heir.close()
    assert backend.get_bytes("log") == (b"dead,mine," if arrived else b"mine,dead,")
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_the_same_however_its_options_are_ordered() -> None:
    options: dict[str, Any] = {"host": "example.org", "port": 21, "timeout": 5}
    first = FsspecBackend("ftp", "/data", **options)
    second = FsspecBackend("ftp", "/data", **dict(reversed(options.items())))
    assert first.identity == second.identity
    assert first.identity != FsspecBackend("ftp", "/data", **options | {"port": 2121}).identity
