"""Writing and removing the rows of calls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from fleche_like.calls import DigestedCall
from fleche_like.database import Database, Prepared, Row
from fleche_like.hashing import Digest
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import arguments, call_metadata, calls, state
from fleche_like.index.rows import (
    ARGUMENT_COLUMNS,
    CALL_COLUMNS,
    METADATA_COLUMNS,
    argument_rows,
    metadata_rows,
    result_row,
)
from fleche_like.index.upserts import InsertOrIgnore

MOST_ROWS = 64
"""Rows of one insertion: enough for any usual call, few enough for any parameter limit."""


class Writer:
    """Rows of calls in one database; every method runs inside an open transaction."""

    def __init__(self, database: Database, ids: Identifiers) -> None:
        self._database = database
        self._ids = ids
        self._insertions: dict[tuple[str, int], Prepared] = {}
        self._insert = InsertOrIgnore(database, calls, CALL_COLUMNS, ("key",))
        prepare = database.prepare
        number: Any = sa.bindparam("number")
        self._find = prepare(sa.select(calls.c.id).where(calls.c.key == sa.bindparam("k")), ("k",))
        columns = CALL_COLUMNS[2:]
        self._update = prepare(
            sa.update(calls)
            .where(calls.c.id == number)
            .values({column: sa.bindparam(f"new_{column}") for column in columns}),
            (*(f"new_{column}" for column in columns), "number"),
        )
        self._removals = [
            prepare(sa.delete(table).where(column == number), ("number",))
            for table, column in (
                (arguments, arguments.c.call),
                (call_metadata, call_metadata.c.call),
                (calls, calls.c.id),
            )
        ]
        self._advance = prepare(
            sa.update(state).where(state.c.name == "generation").values(value=state.c.value + 1)
        )

    def insert(self, call: DigestedCall) -> bool:
        """Insert the rows of a call; ``False`` (and nothing done) if its key has a row."""
        row = (call.key, self._ids.function(call), *result_row(call))
        number = self._insert.run(row)
        if number is None:
            return False
        self._insert_children(call, number)
        return True

    def replace(self, call: DigestedCall) -> None:
        """Give an existing row the result, arguments and metadata of ``call``."""
        number = self._number(call.key)
        if number is None:
            self.insert(call)
            return
        self._database.write(self._update, (*result_row(call), number))
        for removal in self._removals[:-1]:
            self._database.write(removal, (number,))
        self._insert_children(call, number)
        self.advance()

    def remove(self, key: Digest) -> bool:
        """Remove the rows of a key; whether there were any."""
        number = self._number(key)
        if number is None:
            return False
        for removal in self._removals:
            self._database.write(removal, (number,))
        self.advance()
        return True

    def advance(self) -> None:
        """Let the generation grow: something that was there is no more what it was."""
        self._database.write(self._advance)

    def _number(self, key: Digest) -> int | None:
        found = self._database.read_one(self._find, (key,))
        return None if found is None else found[0]

    def _insert_children(self, call: DigestedCall, number: int) -> None:
        self._insert_all(arguments, ARGUMENT_COLUMNS, argument_rows(call, number, self._ids))
        self._insert_all(call_metadata, METADATA_COLUMNS, metadata_rows(call, number, self._ids))

    def _insert_all(self, table: sa.Table, columns: Sequence[str], rows: Iterator[Row]) -> None:
        while batch := list(itertools.islice(rows, MOST_ROWS)):
            prepared = self._insertions.get((table.name, len(batch)))
            if prepared is None:
                prepared = _insertion(self._database, table, columns, len(batch))
                self._insertions[table.name, len(batch)] = prepared
            self._database.write(prepared, tuple(itertools.chain.from_iterable(batch)))


def _insertion(database: Database, table: sa.Table, columns: Sequence[str], rows: int) -> Prepared:
    """Return one statement that inserts several rows."""
    values: list[dict[str, Any]] = [
        {name: sa.bindparam(f"{name}_{row}") for name in columns} for row in range(rows)
    ]
    order = [f"{name}_{row}" for row in range(rows) for name in columns]
    return database.prepare(sa.insert(table).values(values), order)
