"""Caches with a budget in every place that keeps account, and what must hold of the account."""

from __future__ import annotations

from typing import Any

import pytest

import fleche_like as fl
from fleche_like.cache.account import used_by
from fleche_like.index import upgrade
from tests.servers import mariadb_url, needs_mariadb, needs_postgresql, postgresql_url


def embedded(folder, **budget):
    return fl.open_cache(folder / "cache", **budget)


def in_memory(folder, **budget):
    return fl.open_cache("memory://", **budget)


def on_postgresql(folder, **budget):
    url = postgresql_url()
    upgrade(url)
    return fl.open_cache(url, **budget)


def on_mariadb(folder, **budget):
    url = mariadb_url()
    upgrade(url)
    return fl.open_cache(url, **budget)


def with_files(folder, **budget):
    url = f"sqlite:///{folder}/index.db"
    return fl.open_cache(url, values=folder / "values", **budget)


PLACES = [
    embedded,
    in_memory,
    with_files,
    pytest.param(on_postgresql, marks=needs_postgresql),
    pytest.param(on_mariadb, marks=needs_mariadb),
]


def numbers(cache) -> set[int]:
    """Return which calls are stored, each of which says its number in its arguments."""
    return {call.arguments["n"] for call in cache.query()}


def audit(cache) -> None:
    """The account is what is stored: the oracle looks at everything."""
    calls = [call.digested for call in cache.query()]
    backend, container = cache.values.backend, cache.values.prefix
    stored = {
        key.rpartition("/")[2]: len(backend.get_bytes(key))
        for key in backend.list_prefix(container, recursive=True)
    }
    records = sum(len(record) for (record,) in _records(cache))
    used = {digest for call in calls for digest in used_by(call)}
    assert stored.keys() >= used & stored.keys()
    assert {call.result for call in calls if call.result} <= stored.keys()
    stats = cache.stats()
    assert stats.budget_items == len(calls)
    counted = sum(size for digest, size in stored.items() if digest in used)
    assert stats.budget_bytes == counted + records
    assert not stored.keys() - used, "values that no call uses were left"


def _records(cache) -> list[Any]:
    import sqlalchemy as sa

    from fleche_like.index.models import calls

    return cache.calls.database.read(cache.calls.database.prepare(sa.select(calls.c.record)))
