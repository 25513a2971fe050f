"""A database of each kind, for tests that run on all three."""

from __future__ import annotations

import pytest

from tests import servers

DIALECTS = [
    "sqlite",
    pytest.param("postgresql", marks=servers.needs_postgresql),
    pytest.param("mariadb", marks=servers.needs_mariadb),
]


def empty(dialect, folder):
    """Return the URL of a new database."""
    if dialect == "sqlite":
        return f"sqlite:///{folder}/index.db"
    return {"postgresql": servers.postgresql_url, "mariadb": servers.mariadb_url}[dialect]()
