"""Writing and removing the rows of calls."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from fleche_like.calls import DigestedCall
from fleche_like.database import Database, Row
from fleche_like.hashing import Digest
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.inserting import Insertion
from fleche_like.index.models import arguments, call_metadata, calls, state
from fleche_like.index.rows import (
    ARGUMENT_COLUMNS,
    CALL_COLUMNS,
    METADATA_COLUMNS,
    argument_rows,
    late,
    metadata_rows,
    result_row,
)
from fleche_like.index.upserts import InsertOrIgnore
from fleche_like.index.usage import USAGE_COLUMNS, usage

BATCH = 500

COLUMNS = (*CALL_COLUMNS, *USAGE_COLUMNS, "record")
"""Of a row in ``calls``, but for its id."""


class Stored(NamedTuple):
    """A call as it is stored.

    Attributes:
        call: the call.
        record: its record; ``None`` where records are kept elsewhere.
        size_bytes: of its result as stored; ``None`` if that is not known.
        used: when it was last used, in seconds since 1970; ``None`` for now.
    """

    call: DigestedCall
    record: bytes | None
    size_bytes: int | None = None
    used: int | None = None


class Writer:
    """Rows of calls in one database; every method runs inside an open transaction."""

    def __init__(self, database: Database, ids: Identifiers) -> None:
        self._database = database
        self._ids = ids
        self._children = Children(database, ids)
        self._insert = InsertOrIgnore(database, calls, COLUMNS, ("key",))
        self._insert_numbered = Insertion(database, calls, ("id", *COLUMNS))
        prepare = database.prepare
        number: Any = sa.bindparam("number")
        # Two who replace or remove one call must not meet between its rows: on a server they
        # queue for the first of them, SQLite has one writer anyway.
        self._find = prepare(
            sa.select(calls.c.id, calls.c.kind)
            .where(calls.c.key == sa.bindparam("k"))
            .with_for_update(),
            ("k",),
        )
        names = [f"key_{place}" for place in range(BATCH)]
        self._find_many = prepare(
            sa.select(calls.c.key).where(calls.c.key.in_([sa.bindparam(name) for name in names])),
            names,
        )
        self._newest = prepare(sa.select(sa.func.coalesce(sa.func.max(calls.c.id), 0)))
        columns = COLUMNS[2:]
        self._update = prepare(
            sa.update(calls)
            .where(calls.c.id == number)
            .values({column: sa.bindparam(f"new_{column}") for column in columns}),
            (*(f"new_{column}" for column in columns), "number"),
        )
        self._remove = prepare(sa.delete(calls).where(calls.c.id == number), ("number",))
        self._advance = prepare(
            sa.update(state).where(state.c.name == "generation").values(value=state.c.value + 1)
        )

    def insert(self, stored: Stored) -> bool:
        """Insert the rows of a call; ``False`` (and nothing done) if its key has a row."""
        call = stored.call
        number = self._insert.run((*self._identity(call), *result_row(call), *_rest(stored)))
        if number is None:
            return False
        self._children.insert(call, number)
        return True

    def insert_late(self, stored: Stored) -> int | None:
        """Insert the row of a call in ``calls`` alone; its id, ``None`` if its key has a row."""
        call = stored.call
        return self._insert.run((*self._identity(call), *late(result_row(call)), *_rest(stored)))

    def insert_new(self, new: Sequence[Stored]) -> None:
        """Insert the rows of calls whose keys have none. The database lets us choose the ids."""
        found = self._database.read_one(self._newest)
        first = 1 + (0 if found is None else found[0])
        numbered = list(zip(new, itertools.count(first)))
        self._insert_numbered.run(
            (number, *self._identity(each.call), *result_row(each.call), *_rest(each))
            for each, number in numbered
        )
        self._children.insert_many((each.call, number) for each, number in numbered)

    def replace(self, stored: Stored) -> None:
        """Give an existing row the result, arguments, metadata and record of a call."""
        call = stored.call
        found = self._database.write(self._find, (call.key,))
        if not found:
            self.insert(stored)
            return
        ((number, kind),) = found
        if kind < 0:
            row = (*late(result_row(call)), *_rest(stored), number)
            self._database.write(self._update, row)
        else:
            self._database.write(self._update, (*result_row(call), *_rest(stored), number))
            self._children.remove(number)
            self._children.insert(call, number)
        self.advance()

    def remove(self, key: Digest) -> bool:
        """Remove the rows of a key; whether there were any."""
        found = self._database.write(self._find, (key,))
        if not found:
            return False
        ((number, _),) = found
        self._children.remove(number)
        self._database.write(self._remove, (number,))
        self.advance()
        return True

    def advance(self) -> None:
        """Let the generation grow: something that was there is no more what it was."""
        self._database.write(self._advance)

    def _identity(self, call: DigestedCall) -> tuple[Digest, int]:
        return call.key, self._ids.function(call)

    def existing(self, keys: Sequence[Digest]) -> set[str]:
        """Return those of ``keys`` that have a row."""
        found: set[str] = set()
        for start in range(0, len(keys), BATCH):
            page = [*keys[start : start + BATCH]]
            page += [keys[0]] * (BATCH - len(page))
            found.update(key for (key,) in self._database.read(self._find_many, page))
        return found


class Children:
    """Rows of ``arguments`` and ``metadata``; every method runs inside an open transaction."""

    def __init__(self, database: Database, ids: Identifiers) -> None:
        self._database = database
        self._ids = ids
        self._arguments = Insertion(database, arguments, ARGUMENT_COLUMNS)
        self._metadata = Insertion(database, call_metadata, METADATA_COLUMNS)
        number: Any = sa.bindparam("number")
        self._removals = [
            database.prepare(sa.delete(table).where(table.c.call == number), ("number",))
            for table in (arguments, call_metadata)
        ]

    def insert(self, call: DigestedCall, number: int) -> None:
        """Insert the rows of one call, with one statement for each table."""
        self._arguments.run(argument_rows(call, number, self._ids.name))
        self._metadata.run(metadata_rows(call, number, self._ids.name))

    def insert_many(self, numbered: Iterable[tuple[DigestedCall, int]]) -> None:
        """Insert the rows of calls and their ids."""
        name_id = functools.cache(self._ids.name)
        of_arguments: list[Row] = []
        of_metadata: list[Row] = []
        for call, number in numbered:
            of_arguments += argument_rows(call, number, name_id)
            of_metadata += metadata_rows(call, number, name_id)
        self._arguments.run(of_arguments)
        self._metadata.run(of_metadata)

    def remove(self, number: int) -> None:
        """Remove the rows of one call."""
        for removal in self._removals:
            self._database.write(removal, (number,))


def _rest(stored: Stored) -> Row:
    """Return the last columns of a row in ``calls``."""
    return *usage(stored.call, stored.size_bytes, stored.used), stored.record
