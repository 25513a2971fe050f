"""The first budget of a cache takes account of what is stored already."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.cache import BudgetedCache
from fleche_like.cache.account import Account
from fleche_like.testing.caches import call_of
from tests.cache.budgeted_places import (
    PLACES,
    audit,
    embedded,
    numbers,
)


@pytest.fixture(params=PLACES)
def opened(request, tmp_path):
    with contextlib.ExitStack() as closing:
        yield lambda **budget: closing.enter_context(request.param(tmp_path, **budget))


def test_what_was_saved_without_a_budget_is_taken_into_account(tmp_path):
    with embedded(tmp_path) as plain:
        for n in range(30):
            plain.save(call_of(n, bytes([n]) * 2000))
    with embedded(tmp_path, max_items=20) as cache:
        assert cache.stats().budget_items == 30
        audit(cache)
        with embedded(tmp_path) as plain:
            plain.save(call_of(50, 1))
        cache.save(call_of(51, 2))
        assert numbers(cache) == {*range(12, 30), 50, 51}
        audit(cache)


def various(cache) -> list[Any]:
    """Save calls that share values, some of them in parts, in files, or not stored at all."""
    array, gone = np.arange(20_000), [bytes(3000)]
    keys = []
    for n in range(20):
        result = [n, {"a": array, "n": n}, [array, n]][n % 3]
        arguments = {"n": n, "array": array, "gone": gone, "mine": ["x" * n]}
        keys.append(cache.save(fl.Call("f", arguments, result=result)))
    cache.values.evict(fl.digest(gone))
    return keys


def entries(cache) -> list[set[Any]]:
    """What is in the account, which is then emptied."""
    import sqlalchemy as sa

    from fleche_like.index.models import budget, budget_calls, budget_values

    found, database = [], cache.calls.database
    for table in (budget, budget_calls, budget_values):
        rows = database.read(database.prepare(sa.select(table)))
        found.append({tuple(map(str, row)) for row in rows})
        database.write(database.prepare(sa.delete(table)))
    return found


def test_calls_are_taken_in_together_as_they_are_one_by_one(opened, monkeypatch):
    monkeypatch.setattr("fleche_like.cache.budgeted.BATCH", 6)
    plain = opened(destructure_bytes=50_000)
    keys = various(plain)
    with monkeypatch.context() as patch:
        patch.setattr(Account, "add_newer_together", Account.add_newer)
        BudgetedCache(plain, max_items=100)
        wanted = entries(plain)
    BudgetedCache(plain, max_items=100)
    assert entries(plain) == wanted
    cache = BudgetedCache(plain, max_items=100)
    for key in keys:
        cache.evict(key)
    assert cache.stats().budget_bytes == 0
    assert [*cache.values.list()] == []


def test_a_first_look_that_is_interrupted_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("fleche_like.cache.budgeted.BATCH", 6)
    looked: list[int] = []
    look = Account.add_newer_together

    def interrupted(account: Account, count: int) -> int:
        if len(looked) == 2:
            raise KeyboardInterrupt
        looked.append(look(account, count))
        return looked[-1]

    with embedded(tmp_path) as plain:
        various(plain)
        with monkeypatch.context() as patch:
            patch.setattr(Account, "add_newer_together", interrupted)
            with pytest.raises(KeyboardInterrupt):
                BudgetedCache(plain, max_items=100)
        assert looked == [6, 6]
        assert plain.calls.ledger().totals().items == 12
        cache = BudgetedCache(plain, max_items=100)
        assert looked == [6, 6]
        audit(cache)
        assert cache.stats().budget_items == 20


def test_a_first_look_shows_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("fleche_like.cache.budgeted.BATCH", 6)
    steps: list[int] = []
    shown: list[tuple[str, int, bool]] = []

    class Bar:
        update = staticmethod(steps.append)
        close = staticmethod(lambda: None)

    def progress(what: str, items: range, *, wanted: bool) -> Bar:
        shown.append((what, len(items), wanted))
        return Bar()

    monkeypatch.setattr("fleche_like.cache.budgeted.progress", progress)
    with embedded(tmp_path) as plain:
        various(plain)
        BudgetedCache(plain, max_items=100)
        BudgetedCache(plain, max_items=100)  # nothing is new: no bar
    assert shown == [("taking calls into account", 20, True)]
    assert steps == [6, 6, 6, 2]
