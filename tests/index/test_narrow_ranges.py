from __future__ import annotations

import sqlite3

from fleche_like.calls import Call, QueryCall, Selection, arg
from fleche_like.errors import KeyNotFound
from fleche_like.index import SqlCallStorage

COUNT = 3000
NARROW = 5


class NoValues:
    def load_value(self, digest):
        raise KeyNotFound(str(digest), key=digest)


def test_first_calls_in_a_narrow_range_of_another_argument_are_looked_up(tmp_path):
    """Each end by itself leaves a third of all calls or more; both leave five.

    Walking along the other argument until all five are met would read every call.
    """
    storage = SqlCallStorage(f"sqlite:///{tmp_path}/index.db")
    storage.save_many(
        Call("train", {"n": number, "other": (number * 7) % COUNT}, result=0).digested()
        for number in range(COUNT)
    )
    conditions = (
        arg("other") >= 0,
        arg("n") >= COUNT // 2,
        arg("n") < COUNT // 2 + NARROW,
    )
    selection = Selection(QueryCall(), conditions, (arg("other").asc(),), limit=20)
    steps = _steps_of(storage, lambda: list(storage.select(selection, NoValues())))
    assert [call.scalars["n"] for call in storage.select(selection, NoValues())] == [
        *sorted(range(COUNT // 2, COUNT // 2 + NARROW), key=lambda number: number * 7 % COUNT)
    ]
    assert steps < 20 * COUNT
    storage.close()


def _steps_of(storage, act):
    """Return how many instructions SQLite runs, in hundreds rounded down."""
    driver = storage.database._driver
    counted = 0

    def count():
        nonlocal counted
        counted += 100

    original = driver.connect

    def connect():
        connection: sqlite3.Connection = original()
        connection.set_progress_handler(count, 100)
        return connection

    driver.connect = connect
    fresh = SqlCallStorage(storage.database)
    storage.database.close()
    act()
    del driver.connect
    fresh.close()
    return counted
