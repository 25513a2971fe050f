"""Selections run in SQL, or narrowed down there and decided in Python."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.calls import (
    DigestedCall,
    Field,
    LazyCall,
    Loader,
    Ordering,
    Selection,
    select_from,
)
from fleche_like.calls.selection import place
from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index.conditions import TABLES, Where
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.late import Late
from fleche_like.index.models import calls
from fleche_like.index.records import Records, opened
from fleche_like.index.scalars import Columns, Condition, exactly, is_derived
from fleche_like.index.typed import LAST_RANK, NEAR, OTHER, RANK_STEP

BATCH: Final = 200


class Selector:
    """Answers selections over one database.

    Args:
        database: where the rows are.
        ids: of names.
        records: gives the records of keys; ``None`` if they are in the rows of the calls.
        late: gives the calls that are not indexed yet; ``None`` where there are none.
    """

    def __init__(
        self, database: Database, ids: Identifiers, records: Records | None, late: Late | None
    ) -> None:
        self._database = database
        self._late = late
        self._ids = ids
        self._records = records

    def select(self, selection: Selection, loader: Loader) -> Iterator[DigestedCall]:
        """Yield the calls that are selected: see :func:`~fleche_like.calls.select_from`."""
        if _is_everything(selection):
            return self._found(_limited(self._statement([]), selection))
        # Late calls first: what is derived between the two statements is then seen by one of them.
        late, where = self._asked(selection)
        if not late:
            return self._indexed(where, selection, loader)
        wanted, stop = _from_the_beginning(selection)
        indexed = self._indexed(where, wanted, loader)
        both = _merged(indexed, select_from(late, wanted, loader), selection.order, loader)
        return itertools.islice(both, selection.offset, stop)

    def count(self, selection: Selection, loader: Loader) -> int:
        """Return how many calls are selected."""
        if _is_everything(selection):
            statement = sa.select(sa.func.count(calls.c.id))
            return _counted(self._number(statement), selection)
        selection = replace(selection, order=())
        late, where = self._asked(selection)
        if not late:
            return self._count_indexed(where, selection, loader)
        wanted, _ = _from_the_beginning(selection)
        found = self._count_indexed(where, wanted, loader)
        return _counted(found + sum(1 for _ in select_from(late, wanted, loader)), selection)

    def _asked(self, selection: Selection) -> tuple[Sequence[DigestedCall], Where]:
        """Return the calls that are late, and what is asked of all others."""
        late, watermark = self._late.pending() if self._late is not None else ((), 0)
        where = self._where(selection)
        where.add(exactly(is_derived()))
        if late:
            # Not by the table's own order: a sum is nothing to search by.
            where.add(exactly(calls.c.id + sa.literal_column("0") <= watermark))
        return late, where

    def _indexed(
        self, where: Where, selection: Selection, loader: Loader
    ) -> Iterator[DigestedCall]:
        statement = self._statement(where.conditions)
        if not self._can_order(selection.order):
            return select_from(self._found(statement), selection, loader)
        ordered = self._ordered(statement, where, selection.order)
        if where.exact:
            return self._found(_limited(ordered, selection))
        return select_from(self._found(ordered), replace(selection, order=()), loader)

    def _count_indexed(self, where: Where, selection: Selection, loader: Loader) -> int:
        if not where.exact:
            return sum(1 for _ in self._indexed(where, selection, loader))
        if selection.limit is None and not selection.offset:
            return self._number(sa.select(sa.func.count(calls.c.id)).where(*where.conditions))
        limited = _limited(sa.select(calls.c.id).where(*where.conditions), selection).subquery()
        return self._number(sa.select(sa.func.count()).select_from(limited))

    def _number(self, statement: Any) -> int:
        row = self._database.read_one(*self._database.bound(statement))
        return 0 if row is None else int(row[0])

    def _where(self, selection: Selection) -> Where:
        where = Where(self._ids)
        where.add_template(selection.template)
        for condition in selection.conditions:
            where.add_expression(condition)
        return where

    # --- statements ----------------------------------------------------------------------------

    def _statement(self, conditions: Sequence[Condition]) -> Any:
        columns: list[Any] = [calls.c.key]
        if self._records is None:
            columns.append(calls.c.record)
        return sa.select(*columns).where(*conditions)

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
        return opened(pairs)

    @staticmethod
    def _with_records(rows: Iterator[Any], records: Records) -> Iterator[Any]:
        while batch := [Digest(key) for (key,) in itertools.islice(rows, BATCH)]:
            yield from records(batch)


def _merged(
    indexed: Iterator[DigestedCall],
    late: Iterator[DigestedCall],
    order: tuple[Ordering, ...],
    loader: Loader,
) -> Iterator[DigestedCall]:
    """Yield both, each of which is in the order that is asked for, in that order."""
    if not order:
        return itertools.chain(indexed, late)
    return heapq.merge(indexed, late, key=lambda call: place(LazyCall(call, loader), order))


def _from_the_beginning(selection: Selection) -> tuple[Selection, int | None]:
    """Return the selection with what its offset leaves out, and where it stops."""
    stop = None if selection.limit is None else selection.offset + selection.limit
    return replace(selection, offset=0, limit=stop), stop


def _counted(found: int, selection: Selection) -> int:
    """Return how many of all calls that are found are selected."""
    remaining = max(0, found - selection.offset)
    return remaining if selection.limit is None else min(remaining, selection.limit)


def _is_everything(selection: Selection) -> bool:
    """Whether nothing is asked of the calls, so that their own table is enough."""
    template = selection.template
    wanted = (getattr(template, field.name) for field in fields(template))
    return not (selection.conditions or selection.order) and all(one is None for one in wanted)


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
