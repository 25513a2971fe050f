"""Rows into a table, many to a statement."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.database import Database, Prepared, Row

MOST_ROWS: Final = 64
"""Rows of one statement. One by one they take half as long again on SQLite; all of any usual call
fit, and the parameters stay below any limit."""


class Insertion:
    """Inserts rows into one table; inside an open transaction.

    Args:
        database: where the table is.
        table: the table.
        columns: what a row gives, in this order.
    """

    def __init__(self, database: Database, table: sa.Table, columns: Sequence[str]) -> None:
        self._database = database
        self._table = table
        self._columns = columns
        self._prepared: dict[int, Prepared] = {}

    def run(self, rows: Iterable[Row]) -> None:
        """Insert rows, as many to a statement as fit."""
        remaining = iter(rows)
        while batch := list(itertools.islice(remaining, MOST_ROWS)):
            values = tuple(itertools.chain.from_iterable(batch))
            self._database.write(self._statement(len(batch)), values)

    def _statement(self, rows: int) -> Prepared:
        prepared = self._prepared.get(rows)
        if prepared is None:
            prepared = self._prepared[rows] = self._compiled(rows)
        return prepared

    def _compiled(self, rows: int) -> Prepared:
        values: list[dict[str, Any]] = [
            {name: sa.bindparam(f"{name}_{row}") for name in self._columns} for row in range(rows)
        ]
        order = [f"{name}_{row}" for row in range(rows) for name in self._columns]
        return self._database.prepare(sa.insert(self._table).values(values), order)
