"""What an interrupt (Ctrl-C) leaves behind is undone, and what comes next is stored.

Each was a way to lose everything that a process computed after one interrupt.
"""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from fleche_like.database import Database

TABLE = sa.Table("numbers", sa.MetaData(), sa.Column("n", sa.Integer, primary_key=True))


@pytest.fixture
def place(tmp_path):
    database = Database(tmp_path / "numbers.db", timeout_s=2.0)
    database.write(database.prepare(sa.schema.CreateTable(TABLE)))
    database.close()
    return tmp_path / "numbers.db"


class Numbers:
    """One open database of numbers."""

    def __init__(self, place):
        self.database = Database(place, timeout_s=2.0)
        self._insert = self.database.prepare(sa.insert(TABLE).values(n=sa.bindparam("n")), ("n",))
        self._all = self.database.prepare(sa.select(TABLE.c.n))

    def add(self, number):
        with self.database.transaction(), self.database.transaction():
            self.database.write(self._insert, (number,))

    def all(self):
        return {row[0] for row in self.database.read(self._all)}


def test_a_unit_whose_block_is_gone_is_undone_by_the_next(place):
    ours, theirs = Numbers(place), Numbers(place)
    block = ours.database.transaction()
    block.__enter__()
    ours.database.write(ours._insert, (1,))
    del block  # as an interrupt between __enter__ and the body leaves it
    ours.add(2)
    theirs.add(3)
    assert ours.all() == theirs.all() == {2, 3}


def test_a_lock_that_an_interrupt_left_is_taken_again(place):
    ours = Numbers(place)
    ours.database._queue_to_write()
    ours.add(1)
    thread = threading.Thread(target=ours.add, args=(2,))
    thread.start()
    thread.join(10)
    assert ours.all() == {1, 2}
