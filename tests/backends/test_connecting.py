"""From a URL to a backend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleche_like.backends import (
    DatabaseBackend,
    FsspecBackend,
    LocalBackend,
    MemoryBackend,
    connect,
)
from fleche_like.errors import ConfigError


@pytest.mark.parametrize("url", ["{}/a b", "file:{}/a%20b", "file://{}/a%20b"])
def test_paths_and_file_urls_are_folders(tmp_path: Path, url: str) -> None:
    backend = connect(url.format(tmp_path))
    assert isinstance(backend, LocalBackend)
    assert backend.root == tmp_path / "a b"


def test_a_path_object_is_a_folder_and_options_arrive(tmp_path: Path) -> None:
    backend = connect(tmp_path / "x", durability="power")
    assert isinstance(backend, LocalBackend)
    assert backend.durability == "power"


def test_memory_is_new_each_time() -> None:
    first, second = connect("memory:"), connect("memory://")
    assert isinstance(first, MemoryBackend)
    assert first.url != second.url


def test_a_database_url_is_blobs(tmp_path: Path) -> None:
    backend = connect(f"sqlite:///{tmp_path}/blobs.db")
    assert isinstance(backend, DatabaseBackend)
    backend.close()


def test_whatever_fsspec_opens_is_a_filesystem(tmp_path: Path) -> None:
    for url, shown in (
        ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
        ("az://container/prefix", "abfs://container/prefix"),
    ):
        backend = connect(url, anon=True)
        assert isinstance(backend, FsspecBackend)
        assert backend.url == shown
    assert connect("ftp://ann:hunter2@example.org/data").url == "ftp:///data"


@pytest.mark.parametrize(
    "url", ["", "nosuchscheme://x", "s3:bucket", "s3://", "file://host/share", "nosuch+driver:x"]
)
def test_urls_that_make_no_sense(url: str) -> None:
    with pytest.raises(ConfigError):
        connect(url)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("s3://b/p", "s3fs", "s3"), ("gs://b/p", "gcsfs", "gcs"), ("az://b/p", "adlfs", "azure")],
)
def test_a_missing_driver_says_what_to_install(url: str, module: str, extra: str) -> None:
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from fleche_like.backends import connect\n"
        "from fleche_like.errors import MissingExtra\n"
        f"try: connect({url!r})\n"
        "except MissingExtra as error: print(error.extra, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{extra} ")
    assert f"pip install 'fleche-like[{extra}]'" in done.stdout
