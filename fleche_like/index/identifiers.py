"""Ids of functions and names: looked up once, then kept in the process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from threading import get_ident
from typing import Any

import sqlalchemy as sa

from fleche_like.calls import DigestedCall, Version
from fleche_like.database import Database, Prepared
from fleche_like.index.models import functions, names
from fleche_like.index.spelling import Name, spell, spell_optional, spell_version
from fleche_like.index.upserts import InsertOrIgnore

FUNCTION = ("name", "module", "version", "code")
MOST_KEPT = 100_000

FunctionKey = tuple[str, str | None, Version, type, str | None]


class Identifiers:
    """Ids of functions and of names in one database.

    Rows of these tables are never removed or changed, so that an id that has been committed holds
    for good, whatever other processes do. One that is not committed yet is kept only afterwards.
    Thread-safe.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Two servers' transactions that insert two names, each in another order, would wait for
        # each other. A name that is there too early harms nobody.
        self._apart: Callable[[], AbstractContextManager[None]] = (
            contextlib.nullcontext if database.dialect == "sqlite" else database.aside
        )
        self._functions: dict[FunctionKey, int] = {}
        self._names: dict[Name, int] = {}
        self._pending: dict[tuple[int, int, object], int] = {}
        self._insert_function = InsertOrIgnore(database, functions, FUNCTION, FUNCTION)
        self._insert_name = InsertOrIgnore(database, names, ("name",), ("name",))
        self._find_function = database.prepare(
            sa.select(functions.c.id).where(
                *(functions.c[column] == sa.bindparam(column) for column in FUNCTION)
            ),
            FUNCTION,
        )
        self._find_name = database.prepare(
            sa.select(names.c.id).where(names.c.name == sa.bindparam("name")), ("name",)
        )

    def function(self, call: DigestedCall) -> int:
        """Return the id of a call's function, inserting it inside the open transaction."""
        # The type is part of the key: versions 1 and True are equal to a dict.
        key = (call.name, call.module, call.version, type(call.version), call.code)
        found = self._found(self._functions, key)
        if found is not None:
            return found
        row = (
            spell(call.name),
            spell_optional(call.module),
            spell_version(call.version),
            call.code or "",
        )
        with self._apart():
            number = self._insert_function.run(row)
            if number is None:
                number = self._existing(self._find_function, row)
            self._keep(self._functions, key, number)
        return number

    def name(self, name: Name) -> int:
        """Return the id of a name, inserting it inside the open transaction."""
        found = self._found(self._names, name)
        if found is not None:
            return found
        row = (spell(name),)
        with self._apart():
            number = self._insert_name.run(row)
            if number is None:
                number = self._existing(self._find_name, row)
            self._keep(self._names, name, number)
        return number

    def known_name(self, name: Name) -> int | None:
        """Return the id of a name, or ``None`` if nothing stored has it."""
        found = self._found(self._names, name)
        if found is None:
            row = self._database.read_one(self._find_name, (spell(name),))
            if row is None:
                return None
            found = row[0]
            self._keep(self._names, name, found)
        return found

    def beginning(self, prefix: str) -> Iterable[tuple[int, str]]:
        """Return id and spelling of every name that begins with ``prefix``."""
        statement, params = self._database.bound(
            sa.select(names.c.id, names.c.name).where(
                names.c.name >= prefix, names.c.name.startswith(prefix, autoescape=True)
            )
        )
        return [(number, name) for number, name in self._database.read(statement, params)]

    def _existing(self, find: Prepared, row: tuple[str, ...]) -> int:
        found = self._database.read_one(find, row)
        assert found is not None
        return int(found[0])

    def _keep(self, kept: dict[Any, int], key: object, number: int) -> None:
        # Until the commit only the thread that inserted the row may use its id.
        mine = (get_ident(), id(kept), key)

        def keep() -> None:
            self._pending.pop(mine, None)
            if len(kept) >= MOST_KEPT:
                kept.clear()
            kept[key] = number

        self._pending[mine] = number
        self._database.after_commit(keep, lambda: self._pending.pop(mine, None))

    def _found(self, kept: dict[Any, int], key: object) -> int | None:
        found = kept.get(key)
        if found is None and self._pending:
            return self._pending.get((get_ident(), id(kept), key))
        return found
