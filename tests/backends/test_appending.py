"""Appending to files: records stay whole, also where there is no room for them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleche_like.backends import LocalStorage
from fleche_like.errors import BackendUnavailable, InvalidKey

FULL = """
import resource, signal, sys
from fleche_like.backends import LocalStorage
storage = LocalStorage(sys.argv[1])
storage.append("log", b"kept\\n")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    storage.append("log", b"x" * 100)
except OSError:
    storage.append("log", b"fits")
"""


def test_a_record_that_does_not_fit_leaves_no_half(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FULL, tmp_path], check=True)
    assert (tmp_path / "log").read_bytes() == b"kept\nfits"


def test_a_full_disk_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    storage = LocalStorage(tmp_path)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no room") as caught:
        storage.append("log", b"x")
    assert caught.value.errno == errno.ENOSPC


def test_appended_files_inherit_the_mode_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o750)
    LocalStorage(root).append("a/log", b"x")
    assert (root / "a/log").stat().st_mode & 0o777 == 0o640


def test_an_append_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"kept")
    root = tmp_path / "root"
    storage = LocalStorage(root)
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "folder").symlink_to(tmp_path)
    for path in ("link", "folder/outside"):
        with pytest.raises(InvalidKey):
            storage.append(path, b"bad")
    assert (tmp_path / "outside").read_bytes() == b"kept"


def test_an_append_to_a_root_that_is_gone_makes_no_other(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "root")
    (tmp_path / "root").rmdir()
    with pytest.raises(BackendUnavailable):
        storage.append("a/log", b"x")
    assert not (tmp_path / "root").exists()


def test_folders_that_hold_something_are_not_removed(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "root")
    storage.write("a/b", b"1")
    storage.remove("a/b")
    storage.remove_dir("")
    assert (tmp_path / "root" / "a").is_dir()
    storage.remove_dir("a")
    assert not (tmp_path / "root" / "a").exists()
