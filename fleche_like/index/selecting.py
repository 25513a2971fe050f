"""Selections run in SQL, or narrowed down there and decided in Python."""

from __future__ import annotations

import functools
import itertools
import logging
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.backends.database import blobs
from fleche_like.calls import DigestedCall, Field, Loader, Ordering, Selection, select_from
from fleche_like.database import Database
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest
from fleche_like.index.conditions import TABLES, Where
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import calls
from fleche_like.index.scalars import Columns
from fleche_like.index.typed import LAST_RANK, NEAR, OTHER, RANK_STEP
from fleche_like.storage.layout import CALLS
from fleche_like.storage.records import open_record

logger = logging.getLogger(__name__)

BATCH: Final = 200

Records = Callable[[Sequence[Digest]], Iterator[tuple[Digest, bytes | None]]]


class Selector:
    """Answers selections over one database.

    Args:
        database: where the rows are.
        ids: of names.
        records: gives the records of keys; ``None`` if they are blobs of the same database.
    """

    def __init__(self, database: Database, ids: Identifiers, records: Records | None) -> None:
        self._database = database
        self._ids = ids
        self._records = records

    def select(self, selection: Selection, loader: Loader) -> Iterator[DigestedCall]:
        """Yield the calls that are selected: see :func:`~fleche_like.calls.select_from`."""
        where = self._where(selection)
        if not self._can_order(selection.order):
            return select_from(self._found(self._statement(where)), selection, loader)
        ordered = self._ordered(self._statement(where), where, selection.order)
        if where.exact:
            return self._found(_limited(ordered, selection))
        return select_from(self._found(ordered), replace(selection, order=()), loader)

    def count(self, selection: Selection, loader: Loader) -> int:
        """Return how many calls are selected."""
        where = self._where(selection)
        if not where.exact:
            return sum(1 for _ in self.select(replace(selection, order=()), loader))
        inner = sa.select(calls.c.id).where(*where.conditions)
        if selection.limit is None and not selection.offset:
            statement = sa.select(sa.func.count(calls.c.id)).where(*where.conditions)
        else:
            limited = _limited(inner, selection).subquery()
            statement = sa.select(sa.func.count()).select_from(limited)
        row = self._database.read_one(*self._database.bound(statement))
        return 0 if row is None else int(row[0])

    def _where(self, selection: Selection) -> Where:
        where = Where(self._ids)
        where.add_template(selection.template)
        for condition in selection.conditions:
            where.add_expression(condition)
        return where

    # --- statements ----------------------------------------------------------------------------

    def _statement(self, where: Where) -> Any:
        columns: list[Any] = [calls.c.key]
        if self._records is None:
            columns.append(blobs.c.data)
        statement = sa.select(*columns).where(*where.conditions)
        if self._records is None:
            statement = statement.where(blobs.c.key == _record_path())
        return statement

    def _ordered(self, statement: Any, where: Where, order: Sequence[Ordering]) -> Any:
        source: Any = calls
        places: list[Any] = []
        for by in order:
            field = (by.field.kind, by.field.name)
            columns = calls.c if by.field.kind == "result" else where.joined.get(field)
            number = self._ids.known_name(by.field.name) if columns is None else 0
            if number is None:
                continue  # absent from every call
            if columns is None:
                table = TABLES[by.field.kind].alias()
                columns = table.c
                same = sa.and_(columns.call == calls.c.id, columns.name == number)
                source = sa.outerjoin(source, table, same)
            places += _places(columns, where.within.get(field), descending=by.descending)
        if not places:
            return statement.order_by(calls.c.key) if order else statement
        return statement.select_from(source).order_by(*places, calls.c.key)

    def _can_order(self, order: Sequence[Ordering]) -> bool:
        """Whether SQL can order by these fields exactly: no path, and no near value in any call."""
        return not any(by.field.path or self._has_near(by.field) for by in order)

    def _has_near(self, field: Field) -> bool:
        if field.kind == "result":
            statement = sa.select(calls.c.id).where(_is_near(calls.c))
        else:
            table, number = TABLES[field.kind], self._ids.known_name(field.name)
            if number is None:
                return False
            statement = sa.select(table.c.call).where(table.c.name == number, _is_near(table.c))
        statement = statement.limit(1)
        return self._database.read_one(*self._database.bound(statement)) is not None

    # --- records -------------------------------------------------------------------------------

    def _found(self, statement: Any) -> Iterator[DigestedCall]:
        rows = self._database.stream(*self._database.bound(statement))
        pairs = rows if self._records is None else self._with_records(rows, self._records)
        return _opened(pairs)

    @staticmethod
    def _with_records(rows: Iterator[Any], records: Records) -> Iterator[Any]:
        while batch := [Digest(key) for (key,) in itertools.islice(rows, BATCH)]:
            yield from records(batch)


def _opened(pairs: Iterator[Any]) -> Iterator[DigestedCall]:
    for key, data in pairs:
        if data is None:
            continue  # evicted since
        try:
            yield open_record(data, Digest(key))
        except DamagedEnvelope as damage:
            logger.warning("call %s is damaged and was passed over: %s", key, damage.reason)


def _places(columns: Columns, within: str | None, *, descending: bool) -> list[Any]:
    """Return what to order by for one field; see :class:`~fleche_like.calls.Selection`.

    Args:
        columns: of the row, all NULL if the call has none.
        within: the one column that decides, if every row is known to be of one class.
        descending: reverse the values and not the classes.
    """
    if within is not None:
        return [_directed(columns[within], descending)]
    kind = columns.kind
    last = sa.or_(kind.is_(None), kind >= OTHER)
    rank = sa.case((last, LAST_RANK), else_=kind // RANK_STEP)
    text = sa.case((last, sa.null()), else_=columns.text)
    return [rank, _directed(columns.num, descending), _directed(text, descending)]


def _directed(column: Any, descending: bool) -> Any:
    return column.desc() if descending else column


def _limited(statement: Any, selection: Selection) -> Any:
    if selection.limit is not None:
        statement = statement.limit(selection.limit)
    return statement.offset(selection.offset) if selection.offset else statement


def _is_near(columns: Columns) -> Any:
    # Literals, not parameters: else no database sees that the partial index has just these rows.
    return columns.kind.in_([sa.literal_column(str(kind)) for kind in NEAR])


def _record_path() -> Any:
    """Return the key of a record's blob: what ``storage.layout.path`` gives."""
    key = calls.c.key
    parts = (CALLS, sa.func.substr(key, 1, 2), "/", sa.func.substr(key, 3, 2), "/", key)
    return functools.reduce(operator.add, map(_text, parts))


def _text(part: Any) -> Any:
    if isinstance(part, str):
        return sa.literal_column(f"'{part}'", sa.String)
    return sa.type_coerce(part, sa.String)
