"""Files in a folder: what only a file system can do to us."""

from __future__ import annotations

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import tracemalloc
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleche_like.backends import LocalBackend, SupportsSweep
from fleche_like.backends.folders import Folders
from fleche_like.errors import BackendUnavailable, InvalidKey, KeyNotFound

TREE = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def backend(root: Path) -> LocalBackend:
    return LocalBackend(root)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


# --- the root --------------------------------------------------------------------------------


def test_a_relative_root_is_made_absolute_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = LocalBackend("here")
    monkeypatch.chdir("/")
    backend.put_bytes("k", b"1")
    assert (tmp_path / "here" / "k").read_bytes() == b"1"
    assert pickle.loads(pickle.dumps(backend)).get_bytes("k") == b"1"


def test_the_url_is_percent_encoded(tmp_path: Path) -> None:
    assert LocalBackend(tmp_path / "a b#").url.endswith("/a%20b%23")


@pytest.fixture(params=[0o022, 0o077, 0o000], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_new_root_is_private(tmp_path: Path, umask: int) -> None:
    LocalBackend(tmp_path / "parent" / "root").put_bytes("a/b", b"")
    root = tmp_path / "parent" / "root"
    assert (mode(root), mode(root / "a"), mode(root / "a/b")) == (0o700, 0o700, 0o600)
    assert mode(root.parent) == 0o777 & ~umask


def test_a_shared_root_is_the_groups(root: Path, umask: int) -> None:
    LocalBackend(root, shared=True).put_bytes("a/b", b"")
    assert (mode(root), mode(root / "a"), mode(root / "a/b")) == (0o2770, 0o2770, 0o660)


def test_an_existing_root_hands_on_its_mode(root: Path, umask: int) -> None:
    root.mkdir()
    root.chmod(0o750)
    LocalBackend(root, shared=True).put_bytes("a/b", b"")
    assert (mode(root), mode(root / "a"), mode(root / "a/b")) == (0o750, 0o750, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders to other groups")
def test_an_existing_root_hands_on_its_group(root: Path) -> None:
    root.mkdir()
    os.chown(root, -1, 12345)
    LocalBackend(root).put_bytes("a/b", b"")
    assert [path.stat().st_gid for path in (root / "a", root / "a/b")] == [12345, 12345]


def test_a_missing_root_is_an_error_unless_it_may_be_made(root: Path) -> None:
    with pytest.raises(BackendUnavailable):
        LocalBackend(root, create=False)
    assert not root.exists()


def test_a_root_that_is_a_file_is_an_error(root: Path) -> None:
    root.write_bytes(b"")
    with pytest.raises(BackendUnavailable):
        LocalBackend(root)


def test_a_root_that_goes_away_is_no_empty_cache(backend: LocalBackend, root: Path) -> None:
    """As a network share does; writing would fill the disk below its mount point."""
    root.rmdir()
    attempts: list[Callable[[], object]] = [
        lambda: backend.get_bytes("a/b"),
        lambda: backend.exists("a/b"),
        lambda: backend.stat("a/b"),
        lambda: backend.put_bytes("k", b""),
        lambda: backend.put_bytes("a/b", b""),
        lambda: backend.ensure_prefix("a/b"),
        lambda: backend.delete("a"),
        lambda: backend.delete_prefix("a"),
        lambda: list(backend.list_prefix("a")),
        lambda: backend.map_bytes("a"),
    ]
    for attempt in attempts:
        with pytest.raises(BackendUnavailable):
            attempt()
    assert not root.exists()


def test_an_unknown_durability_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="durability"):
        LocalBackend(root, durability="none")  # type: ignore[arg-type]


# --- links -----------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    return folder


def outcomes(backend: LocalBackend, key: str) -> list[Callable[[], object]]:
    return [
        lambda: backend.get_bytes(key),
        lambda: backend.exists(key),
        lambda: backend.put_bytes(key, b"bad"),
        lambda: backend.delete(key),
        lambda: backend.stat(key),
        lambda: backend.map_bytes(key),
        lambda: backend.open_read(key),
        lambda: backend.read_range(key, 0),
    ]


@pytest.mark.parametrize("known_to_kernel", [True, False])
def test_links_lead_nowhere(
    backend: LocalBackend,
    root: Path,
    outside: Path,
    monkeypatch: pytest.MonkeyPatch,
    known_to_kernel: bool,
) -> None:
    """Reads ask the kernel what was opened, or look at each folder where it does not say."""
    if not known_to_kernel:
        monkeypatch.setattr("fleche_like.backends.local._opened_path", lambda descriptor: None)
    backend.put_bytes("real/x/key", b"kept")
    backend.put_bytes("a/key", b"before")
    os.unlink(root / "a/key")
    os.rmdir(root / "a")
    (root / "a").symlink_to(outside)
    (root / "real/x/link").symlink_to(outside / "secret")
    (root / "inner").symlink_to(root / "real")
    for key in ("a/secret", "real/x/link", "inner/x/key"):
        for attempt in outcomes(backend, key):
            with pytest.raises(InvalidKey):
                attempt()
    for container in ("a", "inner/x"):
        for recursive in (False, True):
            with pytest.raises(InvalidKey):
                backend.list_prefix(container, recursive=recursive)
        with pytest.raises(InvalidKey):
            backend.delete_prefix(container)
        with pytest.raises(InvalidKey):
            backend.ensure_prefix(f"{container}/new")
    with pytest.raises(InvalidKey):
        backend.put_bytes("a/new", b"")
    assert list(backend.list_prefix("", recursive=True)) == ["real/x/key"]
    assert everything(outside) == {"secret"}
    assert (outside / "secret").read_bytes() == b"secret"


def test_removing_a_container_removes_links_but_not_what_they_show(
    backend: LocalBackend, root: Path, outside: Path
) -> None:
    backend.put_bytes("a/key", b"")
    (root / "a/link").symlink_to(outside)
    backend.delete_prefix("a")
    assert not (root / "a").exists()
    assert everything(outside) == {"secret"}


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    backend = LocalBackend(tmp_path / "link")
    backend.put_bytes("a/b", b"1")
    assert backend.get_bytes("a/b") == b"1"
    assert list(backend.list_prefix("", recursive=True)) == ["a/b"]


def test_a_root_that_was_renamed_and_linked_to_works_on(root: Path, tmp_path: Path) -> None:
    backend = LocalBackend(root)
    backend.put_bytes("a/b", b"1")
    root.rename(tmp_path / "elsewhere")
    root.symlink_to(tmp_path / "elsewhere")
    assert backend.get_bytes("a/b") == b"1"


# --- failing writes --------------------------------------------------------------------------


def failing(error: int) -> Callable[..., int]:
    def fail(*args: object) -> int:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "close"])
def test_a_write_that_fails_leaves_all_as_it_was(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    backend = LocalBackend(root, durability="power")
    backend.put_bytes("a/k", b"old")
    real_close = os.close

    def close(descriptor: int) -> None:
        real_close(descriptor)
        failing(error)()

    with monkeypatch.context() as patch:
        patch.setattr(os, call, close if call == "close" else failing(error))
        with pytest.raises(OSError, match=r".") as caught:
            backend.put_bytes("a/k", b"new")
    assert caught.value.errno == error
    assert backend.get_bytes("a/k") == b"old"
    assert everything(root) == {"a/k"}


def test_a_write_that_takes_less_than_it_was_given_goes_on(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, memoryview(data)[:7]))
    backend.put_parts("k", [b"0123456789" * 3, bytearray(b"x" * 20)])
    assert backend.get_bytes("k") == b"0123456789" * 3 + b"x" * 20


def test_a_really_full_disk_says_so_and_keeps_what_is_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a tmpfs cannot be mounted here; the injected twin of this test runs")
    try:
        backend = LocalBackend(disk / "root")
        backend.put_bytes("a/k", b"old")
        with pytest.raises(OSError, match=r".") as caught:
            backend.put_bytes("a/k", bytes(1_000_000))
        assert caught.value.errno == errno.ENOSPC
        assert backend.get_bytes("a/k") == b"old"
        assert everything(disk) == {"root/a/k"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_without_permission_is_an_error_not_an_absence(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Injected: the tests may run as root, whom nothing is forbidden."""
    backend.put_bytes("a/k", b"")
    for call in ("open", "lstat", "scandir"):
        monkeypatch.setattr(os, call, failing(errno.EACCES))
    for attempt in (
        lambda: backend.get_bytes("a/k"),
        lambda: backend.exists("a/k"),
        lambda: backend.put_bytes("a/k", b""),
        lambda: backend.delete("a/k"),
        lambda: list(backend.list_prefix("")),
    ):
        with pytest.raises(PermissionError):
            attempt()


def test_an_unwritable_folder_is_an_error(backend: LocalBackend, root: Path) -> None:
    backend.put_bytes("a/k", b"old")
    try:
        locked = subprocess.run(["chattr", "+i", str(root / "a")], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no chattr here; the injected twin of this test runs")
    if locked.returncode:
        pytest.skip("this file system has no immutable folders; the injected twin runs")
    try:
        with pytest.raises(PermissionError):
            backend.put_bytes("a/k", b"new")
        with pytest.raises(PermissionError):
            backend.delete("a/k")
        assert backend.get_bytes("a/k") == b"old"
    finally:
        subprocess.run(["chattr", "-i", str(root / "a")], check=True)


# --- killed writers --------------------------------------------------------------------------

KILLED = """
import os, sys
from fleche_like.backends import LocalBackend
def stop(*args):
    print("ready", flush=True)
    os.read(0, 1)
backend = LocalBackend(sys.argv[1])
os.replace = stop
backend.put_bytes("a/k", b"half" * 1000)
"""


def test_a_writer_killed_before_the_rename_leaves_nothing_to_see(
    backend: LocalBackend, root: Path
) -> None:
    backend.put_bytes("a/k", b"old")
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(root)],
        cwd=TREE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
    left = everything(root) - {"a/k"}
    assert len(left) == 1
    assert backend.get_bytes("a/k") == b"old"
    for recursive, keys in ((True, ["a/k"]), (False, ["a/"])):
        assert list(backend.list_prefix("", recursive=recursive)) == keys
    for attempt in (backend.get_bytes, backend.exists, backend.delete):
        with pytest.raises(InvalidKey):
            attempt(next(iter(left)))
    assert isinstance(backend, SupportsSweep)
    assert backend.sweep(older_than_s=3600) == 0
    assert backend.sweep(older_than_s=-1) == 1
    assert everything(root) == {"a/k"}


def test_a_leftover_of_the_same_name_does_no_harm(
    backend: LocalBackend, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process number can come again, and with it all of a temporary file's name."""
    from fleche_like.backends import temporary

    monkeypatch.setattr(temporary, "_counter", iter([7, 7, 8]))
    taken = root / f".~fl-{temporary._token}-{os.getpid()}-7"
    taken.write_bytes(b"left")
    backend.put_bytes("k", b"1")
    assert backend.get_bytes("k") == b"1"
    assert taken.read_bytes() == b"left"


def test_a_put_begins_again_when_its_folder_is_swept_away(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, times = os.replace, iter(range(10))

    def interrupted(source: str, target: str) -> None:
        if next(times) < 2:
            backend.delete_prefix("")
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    backend.put_bytes("a/b/k", b"1")
    assert backend.get_bytes("a/b/k") == b"1"


def test_most_puts_make_no_folders(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.put_bytes("a/b/k", b"1")
    monkeypatch.setattr(Folders, "make", failing(errno.EIO))
    backend.put_bytes("a/b/l", b"2")
    assert backend.get_bytes("a/b/l") == b"2"


def test_process_durability_syncs_nothing_and_power_file_and_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    LocalBackend(root).put_bytes("a/k", b"")
    assert synced == []
    LocalBackend(root, durability="power").put_bytes("b/k", b"")
    assert synced[0] == str(root)  # has a new entry: b
    assert "/.~fl-" in synced[1]
    assert synced[2:] == [str(root / "b")]


# --- reading ---------------------------------------------------------------------------------


def test_what_is_neither_file_nor_folder_is_not_there(backend: LocalBackend, root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"")
    assert not backend.exists("pipe")
    assert backend.stat("pipe") is None
    assert list(backend.list_prefix("")) == []


def test_no_descriptor_stays_open(backend: LocalBackend, root: Path) -> None:
    backend.put_bytes("k", b"x" * 100_000)
    (root / "link").symlink_to(root / "k")
    backend.get_bytes("k")
    before = len(os.listdir("/proc/self/fd"))
    for key in ("k", "absent", "", "link"):
        for attempt in outcomes(backend, key):
            try:
                found = attempt()
            except (KeyNotFound, InvalidKey):
                continue
            if hasattr(found, "close"):
                found.close()
            del found
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_range_of_a_huge_file_costs_what_it_returns(backend: LocalBackend, root: Path) -> None:
    with (root / "huge").open("wb") as file:
        file.truncate(8 << 30)  # sparse
    tracemalloc.start()
    try:
        assert backend.read_range("huge", 7 << 30, 1024) == bytes(1024)
        assert backend.read_range("huge", (8 << 30) - 10) == bytes(10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_a_listing_is_streamed(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        backend.put_bytes(f"{number:02}/k", b"")
    scanned = []
    scandir = os.scandir

    def counted(path: str):
        scanned.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert next(backend.list_prefix("", recursive=True)) == "00/k"
    assert len(scanned) == 2


def test_one_backend_serves_many_threads_at_once(backend: LocalBackend, root: Path) -> None:
    barrier = threading.Barrier(16)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            barrier.wait()
            for turn in range(20):
                backend.put_bytes(f"{turn}/{number % 4}", bytes([number]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert everything(root) == {f"{turn}/{number}" for turn in range(20) for number in range(4)}


def test_a_kernel_that_reads_little_at_a_time_still_gives_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call reads 2 GiB at most; here each reads three bytes."""
    backend = LocalBackend(tmp_path)
    backend.put_bytes("k", bytes(range(50)))
    opened = backend.open_read

    class Little(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 3))

    def little(key: str) -> io.FileIO:
        with opened(key) as file:
            return Little(os.dup(file.fileno()))

    monkeypatch.setattr(backend, "open_read", little)
    assert backend.read_range("k", 5, 20) == bytes(range(5, 25))
    assert backend.read_range("k", 40, 100) == bytes(range(40, 50))


def test_a_kernel_that_writes_little_at_a_time_still_writes_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a view whose length counts items of eight bytes."""
    backend = LocalBackend(tmp_path)
    data = memoryview(array("q", range(20)))
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, part: write(file, bytes(part)[:33]))
    backend.put_bytes("k", data)
    backend.append_bytes("k", data)
    monkeypatch.undo()
    assert backend.get_bytes("k") == data.tobytes() * 2


def test_a_pipe_in_the_root_holds_no_bytes_and_holds_nobody_up(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for attempt in (backend.get_bytes, backend.open_read, backend.map_bytes):
        with pytest.raises(KeyNotFound):
            attempt("pipe")
    assert not backend.exists("pipe")
    assert list(backend.list_prefix("")) == []
    with pytest.raises(OSError):  # noqa: PT011  # whatever the kernel says
        backend.append_bytes("pipe", b"x")
    backend.put_bytes("pipe", b"x")
    assert backend.get_bytes("pipe") == b"x"


def test_a_crowded_folder_is_listed_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are sorted run by run and kept page by page; here both are small."""
    monkeypatch.setattr("fleche_like.backends.folders._RUN", 70)
    monkeypatch.setattr("fleche_like.backends.folders._PAGE", 9)
    backend = LocalBackend(tmp_path)
    names = {f"{number * 7919 % 100_003:x}-é" for number in range(300)}
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "5-beside")
    (tmp_path / ".~fl-1").touch()
    backend.put_bytes("5/inside", b"")
    backend.put_bytes("5-beside", b"")
    expected = sorted({*names, "5/inside", "5-beside"})
    assert list(backend.list_prefix("", recursive=True)) == expected
