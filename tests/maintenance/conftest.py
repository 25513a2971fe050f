"""Caches of every kind that upkeep is for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleche_like import Cache, open_cache
from fleche_like.backends import FsspecBackend, LocalBackend, MemoryBackend
from fleche_like.index import SqlCallStorage
from fleche_like.storage import BackendCallStorage, BackendValueStorage
from tests import servers


def embedded(folder: Path) -> Cache:
    cache: Cache = opened(folder)
    return cache


def opened(folder: Path, **options: Any) -> Any:
    """An embedded cache, whose storages tests look into."""
    return open_cache(folder / "cache", memory_bytes=0, **options)


def in_memory(_folder: Path) -> Any:
    return open_cache("memory://", memory_bytes=0)


def records_elsewhere(folder: Path) -> Any:
    records = LocalBackend(folder / "records")
    calls = SqlCallStorage(f"sqlite:///{folder}/index.db", records=records)
    return Cache(BackendValueStorage(LocalBackend(folder / "values")), calls, memory_bytes=0)


def without_index(_folder: Path) -> Any:
    calls, values = BackendCallStorage(MemoryBackend()), BackendValueStorage(MemoryBackend())
    return Cache(values, calls, memory_bytes=0)


def on_postgresql(_folder: Path) -> Cache:
    return _upgraded(servers.postgresql_url())


def on_mariadb(_folder: Path) -> Cache:
    return _upgraded(servers.mariadb_url())


def values_in_a_folder(folder: Path) -> Cache:
    return _upgraded(servers.postgresql_url(), values=folder / "values")


def values_on_s3(_folder: Path) -> Cache:
    root = f"{servers.s3_bucket()}/{uuid.uuid4().hex}"
    values = BackendValueStorage(FsspecBackend("s3", root, **servers.s3_options()))
    return Cache(values, SqlCallStorage(servers.postgresql_url()), memory_bytes=0)


def _upgraded(url: str, **options: Any) -> Cache:
    return open_cache(url, memory_bytes=0, **options)


PLACES = [
    embedded,
    in_memory,
    records_elsewhere,
    without_index,
    pytest.param(on_postgresql, marks=servers.needs_postgresql),
    pytest.param(on_mariadb, marks=servers.needs_mariadb),
    pytest.param(values_in_a_folder, marks=servers.needs_postgresql),
]
ON_S3 = pytest.param(values_on_s3, marks=[servers.needs_postgresql, servers.needs_s3])


@pytest.fixture(params=PLACES)
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cache]:
    make: Callable[[Path], Cache] = request.param
    with make(tmp_path) as made:
        yield made


@pytest.fixture(params=[*PLACES, ON_S3])
def any_cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cache]:
    """Of every kind, those with values behind slow requests included."""
    make: Callable[[Path], Cache] = request.param
    with make(tmp_path) as made:
        yield made
