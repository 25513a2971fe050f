"""What is asked for is searched, not scanned, and first calls are not sorted out of all."""

from __future__ import annotations

import re
import sqlite3

import pytest

from fleche_like.calls import Call, Grouping, QueryCall, Selection, arg, count, meta, result
from fleche_like.database import Database
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import digest
from fleche_like.index import SqlCallStorage, by_rows, selecting


class NoValues:
    def load_value(self, wanted, /):
        raise KeyNotFound(wanted)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Enough calls that none of the ways for few of them is taken."""
    path = tmp_path_factory.mktemp("plans") / "index.db"
    storage = SqlCallStorage(f"sqlite:///{path}")
    storage.save_many(
        Call(
            "f",
            {"x": n / 7, "y": n % 50, "cfg": {"lr": n / 3}, "t": f"text {n}"},
            result=n * 0.5,
            metadata={"wall": n * 0.1},
        ).digested()
        for n in range(1500)
    )
    storage.close()
    return path


@pytest.fixture
def plans(file, monkeypatch):
    """What SQLite says of each statement that is run."""
    found = []
    bound = Database.bound

    def note(self, statement):
        prepared, params = bound(self, statement)
        with sqlite3.connect(file) as connection:
            rows = connection.execute(f"EXPLAIN QUERY PLAN {prepared.text}", params).fetchall()
        found.append((prepared.text, [row[3] for row in rows]))
        return prepared, params

    monkeypatch.setattr(Database, "bound", note)
    storage = SqlCallStorage(f"sqlite:///{file}")
    yield storage, found
    storage.close()


def first(storage, *conditions, order, **template):
    selection = Selection(QueryCall(**template), conditions, order, 20)
    return list(storage.select(selection, NoValues()))


ORDERS = {
    "range of one": ((arg("x") > 1,), (arg("x").asc(),)),
    "range of two": ((arg("x") > 1, arg("y") < 40), (arg("x").desc(),)),
    "range of argument and metadata": ((arg("x") > 1, meta("wall") > 2), (meta("wall").asc(),)),
    "nothing asked": ((), (arg("x").desc(),)),
    "result": ((), (result().desc(),)),
    "text": ((), (arg("t").asc(),)),
    "path": ((arg("cfg")["lr"] > 2,), (arg("cfg")["lr"].asc(),)),
    "two fields": ((), (arg("y").asc(), arg("x").desc())),
}


@pytest.mark.parametrize("asked", ORDERS)
def test_first_calls_come_along_an_index(plans, asked):
    storage, found = plans
    conditions, order = ORDERS[asked]
    calls = first(storage, *conditions, order=order, name="f")

    assert len(calls) == 20
    assert len(found) < 20
    # NaN is in no order but that of keys, so that all of it is sorted.
    ordered = [plan for text, plan in found if "ORDER BY" in text and "kind = 10" not in text]
    steps = [step for plan in ordered for step in plan]
    assert steps
    # Ties alone are sorted: "the last term", or what comes behind the first.
    assert [s for s in steps if s == "USE TEMP B-TREE FOR ORDER BY"] == []
    assert [s for s in steps if re.match(r"SCAN \w+$", s)] == []


def test_a_scalar_of_a_template_is_searched_by_value(plans):
    storage, found = plans
    template = QueryCall(arguments={"y": 7})
    assert len(list(storage.select(Selection(template), NoValues()))) == 30

    steps = [step for _, plan in found for step in plan]
    assert any("ix_arguments_name_num_call (name=? AND num=?)" in step for step in steps)
    assert not any("SCAN" in step for step in steps)


@pytest.mark.parametrize("length", [8, 32])
def test_a_digest_finds_scalars(plans, length):
    storage, _ = plans
    full = digest(7)
    template = QueryCall(arguments={"y": type(full)(full[:length])})
    assert len(list(storage.select(Selection(template), NoValues()))) == 30


def test_paths_are_searched_and_load_nothing(plans):
    storage, found = plans
    selection = Selection(conditions=(arg("cfg")["lr"] < 2,))
    assert storage.count(selection, NoValues()) == 6
    assert len(list(storage.select(selection, NoValues()))) == 6

    steps = [step for _, plan in found for step in plan]
    assert any("ix_arguments_name_num_call (name=? AND num" in step for step in steps)
    assert not any("SCAN" in step for step in steps if "CONSTANT" not in step)


@pytest.mark.parametrize("function", ["f", "other"])
def test_calls_of_a_function_with_many_are_not_gathered(plans, function, monkeypatch):
    monkeypatch.setattr(by_rows, "MOST_GATHERED", 100)
    monkeypatch.setattr(selecting, "MOST_LOOKED_UP", 10)
    storage, found = plans
    template = QueryCall(name=function)
    selection = Selection(template, (arg("y") == 7,))
    grouping = Grouping([arg("y")], {"calls": count()})
    groups = storage.aggregate(Selection(template), grouping, NoValues())

    assert storage.count(selection, NoValues()) == (30 if function == "f" else 0)
    assert {group.calls for group in groups.values()} == ({30} if function == "f" else set())
    by_function = "SEARCH one USING INDEX ix_calls_function (function=? AND rowid=?)"
    assert any(by_function in plan for _, plan in found) == (function == "f")
