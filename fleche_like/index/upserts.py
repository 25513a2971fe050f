"""Insertions that tolerate what is already there: the one thing each dialect spells its own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from fleche_like.database import Database, Parameters, Prepared

MYSQL = frozenset({"mysql", "mariadb"})


class InsertOrIgnore:
    """An insertion of one row that leaves an existing row with the same unique columns alone.

    Args:
        database: where the table is.
        table: has an integer primary key ``id``.
        columns: what is inserted, in the order of the parameters.
        unique: the columns that may be taken.
    """

    def __init__(
        self, database: Database, table: sa.Table, columns: Sequence[str], unique: Sequence[str]
    ) -> None:
        self._database = database
        values: dict[str, Any] = {name: sa.bindparam(name) for name in columns}
        self._then: Prepared | None = None
        if database.dialect in MYSQL:
            statement: Any = mysql.insert(table).values(values).prefix_with("IGNORE")
            inserted = sa.select(sa.func.last_insert_id()).where(sa.func.row_count() == 1)
            self._then = database.prepare(inserted)
        else:
            statement = _insert(database.dialect)(table).values(values)
            statement = statement.on_conflict_do_nothing(index_elements=list(unique))
            if not database.row_ids:
                statement = statement.returning(table.c.id)
        self._insert = database.prepare(statement, columns)

    def run(self, params: Parameters) -> int | None:
        """Insert a row; return its id, or ``None`` if it was taken."""
        if self._then is None:
            return self._database.insert(self._insert, params)
        self._database.write(self._insert, params)
        rows = self._database.read(self._then)
        return rows[0][0] if rows else None


def insert_or_ignore(
    database: Database, table: sa.Table, columns: Sequence[str], unique: Sequence[str]
) -> Prepared:
    """Return a statement that inserts a row unless its unique columns are taken."""
    values: dict[str, Any] = {name: sa.bindparam(name) for name in columns}
    if database.dialect in MYSQL:
        return database.prepare(mysql.insert(table).values(values).prefix_with("IGNORE"), columns)
    statement = _insert(database.dialect)(table).values(values)
    return database.prepare(statement.on_conflict_do_nothing(index_elements=list(unique)), columns)


def _insert(dialect: str) -> Any:
    return sqlite.insert if dialect == "sqlite" else postgresql.insert
