"""Filesystems of fsspec: what goes beyond the shipped contract."""

from __future__ import annotations

import asyncio
import os
import pickle
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from fleche_like.backends import (
    FsspecBackend,
    MemoryBackend,
    MemoryTierBackend,
    MirroredBackend,
    TieredBackend,
)
from fleche_like.errors import BackendUnavailable, InvalidKey
from tests.servers import s3_options


def test_links_below_a_root_of_files_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"kept")
    backend = FsspecBackend("file", str(tmp_path / "root"))
    backend.put_bytes("a", b"1")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "file").symlink_to(tmp_path / "outside" / "secret")
    for key in ("link/secret", "file"):
        attempts: list[Callable[[], object]] = [
            lambda key=key: backend.get_bytes(key),  # type: ignore[misc]
            lambda key=key: backend.exists(key),  # type: ignore[misc]
            lambda key=key: backend.put_bytes(key, b"bad"),  # type: ignore[misc]
            lambda key=key: backend.delete(key),  # type: ignore[misc]
        ]
        for attempt in attempts:
            with pytest.raises(InvalidKey):
                attempt()
    with pytest.raises(InvalidKey):
        backend.delete_prefix("link")
    assert list(backend.list_prefix("", recursive=True)) == ["a"]
    assert (tmp_path / "outside" / "secret").read_bytes() == b"kept"


def test_a_put_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FsspecBackend("file", str(tmp_path))
    backend.put_bytes("k", b"before")

    def refused(*args: object, **options: object) -> None:
        raise PermissionError("refused")

    monkeypatch.setattr("shutil.move", refused)
    with pytest.raises(BackendUnavailable):
        backend.put_bytes("k", b"after")
    assert backend.get_bytes("k") == b"before"
    assert os.listdir(tmp_path) == ["k"]


def test_secrets_travel_and_show_only_when_told_to() -> None:
    shy = FsspecBackend("s3", "bucket/prefix", **s3_options("http://ann:hunter2@127.0.0.1:9"))
    for text in (repr(shy), shy.url, shy.identity, repr(pickle.dumps(shy))):
        assert "test-secret" not in text
        assert "test-access" not in text
        assert "hunter2" not in text
    told = FsspecBackend("s3", "bucket", keep_secrets=True, **s3_options("http://127.0.0.1:9"))
    assert b"test-secret" in pickle.dumps(told)
    assert "test-secret" not in repr(told)


def test_an_error_shows_no_secret() -> None:
    options = s3_options("http://127.0.0.1:9")
    backend = FsspecBackend("s3", "bucket", **options)
    hidden = backend._recipe.hide("refused for test-secret at http://ann:hunter2@host/x?sig=1")
    assert "test-secret" not in hidden
    assert "hunter2" not in hidden


def test_a_filesystem_that_is_there_is_used_as_it_is() -> None:
    import fsspec

    filesystem = fsspec.filesystem("memory")
    root = f"/{uuid.uuid4().hex}"
    backend = FsspecBackend(filesystem, root)
    backend.put_bytes("a/b", b"1")
    assert filesystem.cat_file(f"{root}/a/b") == b"1"
    backend.close()
    assert backend.get_bytes("a/b") == b"1"


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    backend = FsspecBackend("file", str(tmp_path))
    backend.put_bytes("a/b", b"1")
    for name in (".~fl-old", "a/.~fl-old", "a/.~fl-new"):
        (tmp_path / name).write_bytes(b"half")
    for name in (".~fl-old", "a/.~fl-old"):
        os.utime(tmp_path / name, (0, 1))
    os.utime(tmp_path / "a/b", (0, 1))
    composite = MirroredBackend(TieredBackend(MemoryBackend(), backend), MemoryBackend())
    assert MemoryTierBackend(composite).sweep() == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".~fl-new", "a", "b"]
    assert backend.sweep(older_than_s=0) == 1


def test_no_traceback_shows_a_secret_through_the_cause() -> None:
    class Chatty(MemoryFileSystem):  # type: ignore[misc]  # published without types
        protocol = "chatty"
        cachable = False

        def cat_file(self, path: str, **options: Any) -> bytes:
            raise RuntimeError(f"refused for {self.storage_options}")

    account = "DefaultEndpointsProtocol=https;AccountKey=hunter2-secret"
    for options in ({"password": "hunter2-secret"}, {"connection_string": account}):
        backend = FsspecBackend(Chatty(**options), "/x")
        with pytest.raises(BackendUnavailable) as caught:
            backend.get_bytes("k")
        shown = "".join(traceback.format_exception(caught.value))
        assert "refused for" in shown
        assert "hunter2" not in shown


def test_a_place_that_is_closed_meanwhile_is_unavailable() -> None:
    backend = FsspecBackend("memory", "/x")
    request = backend.getting("k")
    backend.connect()
    backend._filesystem = None
    with pytest.raises(BackendUnavailable, match="closed"):
        asyncio.run(request)


def test_a_file_that_goes_while_memory_is_listed_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = FsspecBackend("memory", "listed")
    backend.put_bytes("a/1", b"")
    listings = iter([KeyError("gone")] * 3)
    listed = MemoryFileSystem.ls

    def ls(self: Any, *args: Any, **options: Any) -> Any:
        for error in listings:
            raise error
        return listed(self, *args, **options)

    monkeypatch.setattr(MemoryFileSystem, "ls", ls)
    assert list(backend.list_prefix("a/")) == ["a/1"]
    assert next(listings, None) is None
    backend.delete_prefix("")
