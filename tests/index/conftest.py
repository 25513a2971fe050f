"""Databases of every kind that is there, each as two processes have them."""

from __future__ import annotations

import pytest

from fleche_like.backends import MemoryBackend
from fleche_like.index import SqlCallStorage
from tests import servers

DATABASES = [
    "sqlite",
    "sqlite, records elsewhere",
    pytest.param("postgresql", marks=servers.needs_postgresql),
    pytest.param("mariadb", marks=servers.needs_mariadb),
]


@pytest.fixture(scope="module", params=DATABASES)
def storages(request, tmp_path_factory):
    """Two storages over one database, as two processes have them."""
    if request.param == "postgresql":
        url = servers.postgresql_url()
    elif request.param == "mariadb":
        url = servers.mariadb_url()
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('index')}/index.db"
    records = MemoryBackend() if request.param.endswith("elsewhere") else None
    both = [SqlCallStorage(url, records=records) for _ in range(2)]
    yield both
    for storage in both:
        storage.close()
