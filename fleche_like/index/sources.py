"""The rows that say what calls have in certain fields, each joined once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from fleche_like.calls import Field
from fleche_like.index.conditions import TABLES, Place, place_of
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import calls
from fleche_like.index.scalars import Columns


class Source(NamedTuple):
    """The rows of one field.

    Attributes:
        columns: ``None`` if no call has the field.
        here: not NULL where a call has it.
        digest: of what is no scalar; ``None`` where there is no such.
    """

    columns: Columns | None
    here: Any
    digest: Any


def source_of_rows(one: Field, columns: Columns) -> Source:
    """Return the rows of a field that is no whole result, given their columns."""
    has_digest = place_of(one)[0] == "arg" and not one.path
    return Source(columns, columns.call, columns.value if has_digest else sa.null())


class Sources:
    """The rows of fields, beside those of a table that has the calls.

    Args:
        table: what the others are joined to.
        call: its column that has the ids of calls.
        ids: of names.
        known: columns of the rows that are joined already.
    """

    def __init__(
        self, table: Any, call: Any, ids: Identifiers, known: Mapping[Place, Columns]
    ) -> None:
        self.table = table
        self._call = call
        self._ids = ids
        self._known = known
        self._sources: dict[Place, Source] = {}

    def of(self, one: Field) -> Source:
        """Return the rows of a field; joins them to :attr:`table` the first time."""
        place = place_of(one)
        if place not in self._sources:
            self._sources[place] = self._new(one, place)
        return self._sources[place]

    def _new(self, one: Field, place: Place) -> Source:
        kind, name = place
        if kind == "result":
            columns = self._of_calls()
            return Source(columns, columns.result, columns.result)
        if place in self._known:
            return source_of_rows(one, self._known[place])
        number = self._ids.known_name(name)
        if number is None:
            return Source(None, sa.null(), sa.null())
        rows = TABLES[kind].alias()
        self._join(rows, sa.and_(rows.c.call == self._call, rows.c.name == number))
        return source_of_rows(one, rows.c)

    def _of_calls(self) -> Columns:
        if self._call is calls.c.id:
            return calls.c
        rows = calls.alias()
        self._join(rows, rows.c.id == self._call)
        return rows.c

    def _join(self, rows: Any, same: Any) -> None:
        self.table = sa.outerjoin(self.table, rows, same)
