"""What an interrupt (Ctrl-C) leaves behind is undone, and what comes next is stored.

Each was a way to lose everything that a process computed after one interrupt.
"""

from __future__ import annotations

import itertools
import threading

import pytest
import sqlalchemy as sa

from fleche_like.database import Database
from tests.strikes import Strike

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


@pytest.mark.parametrize("nested", [False, True])
def test_a_write_that_is_interrupted_anywhere_keeps_nobody_from_writing(place, nested):
    """Neither another thread nor another process waits; the traceback is kept meanwhile."""
    ours, theirs = Numbers(place), Numbers(place)
    whole = {0}
    ours.add(0)

    def write(number):
        with ours.database.transaction():
            ours.database.write(ours._insert, (number,))
            if nested:
                with ours.database.transaction():
                    ours.database.write(ours._insert, (-number,))

    for at in itertools.count(1):
        strike = Strike(at, ("database/",))
        strike.run(lambda at=at: write(4 * at))
        if strike.place is None:
            break
        theirs.add(4 * at + 1)
        thread = threading.Thread(target=ours.add, args=(4 * at + 2,))
        thread.start()
        thread.join(60)
        ours.add(4 * at + 3)
        whole |= {4 * at + 1, 4 * at + 2, 4 * at + 3}
        stored = theirs.all()
        assert whole <= stored, strike.place
        written = {4 * at, -4 * at} if nested else {4 * at}
        assert stored - whole in (set(), written), strike.place
        assert ours.all() == stored, strike.place
        whole = stored
    assert at > 15
