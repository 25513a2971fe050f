"""Caches in which something can go wrong at each operation, as different as they can be."""

from __future__ import annotations

import itertools
import os

import pytest

from fleche_like.backends import DatabaseBackend, LocalBackend, MirroredBackend, TieredBackend
from fleche_like.cache import Cache
from fleche_like.database import Database
from fleche_like.index import SqlCallStorage
from fleche_like.storage import BackendCallStorage, BackendValueStorage
from fleche_like.testing.faults import FaultyBackend, FaultyCallStorage, inject
from tests import servers


def embedded(folder, faults, *, inline_bytes=32 * 1024):
    database = Database(folder / "index.db", timeout_s=2)
    inject(database, faults)
    large = FaultyBackend(LocalBackend(folder), faults)
    tiers = TieredBackend(DatabaseBackend(database), large, threshold_bytes=inline_bytes)
    return _cache(BackendValueStorage(tiers), SqlCallStorage(database), database, folder)


def all_in_files(folder, faults):
    return embedded(folder, faults, inline_bytes=0)


def records_elsewhere(folder, faults):
    database = Database(folder / "index.db", timeout_s=2)
    inject(database, faults)
    files = FaultyBackend(LocalBackend(folder), faults)
    calls = SqlCallStorage(database, records=files)
    return _cache(BackendValueStorage(files), calls, database, folder)


def without_index(folder, faults):
    files = FaultyBackend(LocalBackend(folder), faults)
    return Cache(BackendValueStorage(files), BackendCallStorage(files), folder=folder)


def mirrored(folder, faults):
    primary, secondary = (FaultyBackend(LocalBackend(folder / n), faults) for n in "12")
    calls = FaultyCallStorage(SqlCallStorage(f"sqlite:///{folder}/index.db"), faults)
    values = BackendValueStorage(MirroredBackend(primary, secondary))
    return _cache(values, calls, calls.calls, folder)


def _server(make_url, folder, faults, *, files):
    database = Database(_url(make_url, folder), timeout_s=2)
    inject(database, faults)
    inside, outside = DatabaseBackend(database), FaultyBackend(LocalBackend(folder), faults)
    values = BackendValueStorage(outside if files else inside)
    return _cache(values, SqlCallStorage(database), database)


def _url(make, folder):
    """Return the same database for the same folder."""
    file = folder / "url"
    if not file.exists():
        file.write_text(make())
    return file.read_text()


def postgresql(folder, faults):
    return _server(servers.postgresql_url, folder, faults, files=False)


def postgresql_and_files(folder, faults):
    return _server(servers.postgresql_url, folder, faults, files=True)


def mariadb_and_files(folder, faults):
    return _server(servers.mariadb_url, folder, faults, files=True)


def _cache(values, calls, resource, folder=None):
    return Cache(values, calls, memory_bytes=0, folder=folder, resources=[resource])


COMPOSITIONS = [
    embedded,
    all_in_files,
    records_elsewhere,
    without_index,
    mirrored,
    pytest.param(postgresql, marks=servers.needs_postgresql),
    pytest.param(postgresql_and_files, marks=servers.needs_postgresql),
    pytest.param(mariadb_and_files, marks=servers.needs_mariadb),
]

EVERY_FAULT = bool(os.environ.get("FLECHE_TEST_EVERY_FAULT"))
"""Whether every operation is struck, and not one in some."""


def numbers(one_in, offset):
    """Yield the numbers of operations to strike; another offset gives others."""
    step = 1 if EVERY_FAULT else one_in
    return itertools.count(1 + offset % step, step)
