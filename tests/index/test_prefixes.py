from __future__ import annotations

import sqlite3

import pytest

from fleche_like.calls import Call
from fleche_like.index import SqlCallStorage
from fleche_like.index.keys import successor


def test_the_statement_for_beginnings_is_planned_once(tmp_path):
    """SQLite plans a ``LIKE`` with a parameter for its pattern anew whenever that changes.

    It took 30 times what the search takes.
    """
    storage = SqlCallStorage(f"sqlite:///{tmp_path}/index.db")
    for number in range(20):
        storage.save(Call("train", {"n": number}, result=number).digested())
    prepared = storage._keys._beginning
    with sqlite3.connect(tmp_path / "index.db") as connection:
        for key in storage.list():
            prefix = key[:9]
            given = (prefix, prefix, successor(prefix))
            params = given if prepared.arrange is None else prepared.arrange(given)
            assert connection.execute(prepared.text, params).fetchall() == [(key,)]
        assert _plans_made_again(connection, prepared.text) == 0
    storage.close()


def _plans_made_again(connection: sqlite3.Connection, text: str) -> int:
    try:
        rows = connection.execute("SELECT reprep FROM sqlite_stmt WHERE sql = ?", (text,))
    except sqlite3.OperationalError:
        pytest.skip("this SQLite was built without the table sqlite_stmt")
    ((again,),) = rows.fetchall()
    return int(again)
