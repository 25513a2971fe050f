"""Statements over many keys at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.database import Database, Prepared
from fleche_like.hashing import Digest

_SIZES: Final = (16, 1024)
"""Lengths of the lists that servers are given; shorter ones are filled up."""


class KeyLists:
    """A statement about the keys of a list.

    SQLite is given the list as one JSON text, so that one statement does for any length. Servers
    are given placeholders, up to 1,024 in one statement; each length is compiled when it is first
    used, which takes some milliseconds.

    Args:
        database: where it runs.
        statement: makes it of the names of its parameters, by means of :func:`condition`.
    """

    def __init__(
        self, database: Database, statement: Callable[[Sequence[str]], sa.Select[Any]]
    ) -> None:
        self._database = database
        self._statement = statement
        self._prepared: dict[int, Prepared] = {}

    def read(self, keys: Sequence[Digest]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows for all keys."""
        if self._database.dialect == "sqlite":
            yield from self._database.read(self._compiled(1), (json.dumps(keys),))
            return
        for start in range(0, len(keys), _SIZES[-1]):
            page = keys[start : start + _SIZES[-1]]
            size = next(size for size in _SIZES if size >= len(page))
            padding = [page[0]] * (size - len(page))
            yield from self._database.read(self._compiled(size), (*page, *padding))

    def _compiled(self, size: int) -> Prepared:
        found = self._prepared.get(size)
        if found is None:
            names = [f"key_{number}" for number in range(size)]
            found = self._database.prepare(self._statement(names), names)
            self._prepared[size] = found
        return found


def condition(
    column: sa.ColumnElement[str], dialect: str, names: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Return that a column is among the keys that :class:`KeyLists` hands over under ``names``."""
    if dialect == "sqlite":
        each = sa.func.json_each(sa.bindparam(names[0])).table_valued("value")
        return column.in_(sa.select(each.c.value))
    return column.in_([sa.bindparam(name) for name in names])
