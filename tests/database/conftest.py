"""Databases on each of the systems we run on."""

from __future__ import annotations

import pytest

from tests import servers

SERVERS = [
    pytest.param("postgresql", marks=servers.needs_postgresql),
    pytest.param("mariadb", marks=servers.needs_mariadb),
]


@pytest.fixture(params=SERVERS)
def server_url(request):
    return {"postgresql": servers.postgresql_url, "mariadb": servers.mariadb_url}[request.param]()
