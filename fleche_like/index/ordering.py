"""Orders in SQL: of all rows at once, or class by class, along an index, for the first few rows.

Where only the first rows are wanted, sorting all of them would cost what the whole table costs.
Each class of scalars has its place in one index, in order: so a statement for each class, asked
for only as long as rows are missing, reads little more than what it gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from fleche_like.calls import Ordering
from fleche_like.index.conditions import TABLES, Where, place_of
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import calls
from fleche_like.index.scalars import Columns, Condition, is_derived
from fleche_like.index.typed import LAST_RANK, NAN, OTHER, RANK_STEP

_TEXTS: Final = ("s", "t", "u")
"""The letters in front of texts, naive and aware datetimes, in the order of their ranks."""


class OrderBy(NamedTuple):
    """One field to order by.

    Attributes:
        table: has its rows; ``calls`` for results.
        name: the id of its name there.
        joined: the columns of the row, if a condition asks for it already.
        within: the one column that decides, if every row is known to be of one class.
        descending: reverse the values and not the classes.
    """

    table: sa.Table
    name: int
    joined: Columns | None
    within: str | None
    descending: bool


def order_of(where: Where, order: Sequence[Ordering], ids: Identifiers) -> list[OrderBy]:
    """Return the fields to order by, but for those that are absent from every call."""
    found = (_order_by(where, by, ids) for by in order)
    return [one for one in found if one is not None]


def _order_by(where: Where, by: Ordering, ids: Identifiers) -> OrderBy | None:
    place = place_of(by.field)
    kind, name = place
    within = where.within.get(place)
    if kind == "result":
        return OrderBy(calls, 0, calls.c, within, by.descending)
    number = ids.known_name(name)
    if number is None:
        return None
    return OrderBy(TABLES[kind], number, where.joined.get(place), within, by.descending)


def ordered(statement: Any, order: Sequence[OrderBy]) -> Any:
    """Return a statement on ``calls`` in an order, ties by key."""
    source, terms = _joined(order)
    return statement.select_from(source).order_by(*terms, calls.c.key)


def by_class(statement: Any, order: Sequence[OrderBy]) -> Iterator[Any]:
    """Yield statements that together give the rows of :func:`ordered`, one after the other.

    Args:
        statement: selects from ``calls``.
        order: by what; at least one field.
    """
    first, rest = order[0], order[1:]
    source, terms = _joined(rest)
    statement = statement.select_from(source)
    for conditions, column in _classes(first):
        columns = first.table.alias().c if first.joined is None else first.joined
        asked = list(conditions(columns))
        if columns is not calls.c:
            # A sum is nothing to search by: so a planner can begin only with this field's index.
            call = columns.call + sa.literal_column("0")
            asked += [calls.c.id == call, columns.name == first.name]
        begin = [] if column is None else [_directed(columns[column], first.descending)]
        yield statement.where(*asked).order_by(*begin, *terms, calls.c.key)
    if first.within is None:
        yield _last(statement, source, first, terms)


def _classes(first: OrderBy) -> Iterator[tuple[Any, str | None]]:
    """Yield what the rows of each class have, and the column that orders them."""
    if first.within is not None:
        yield (lambda _columns: ()), first.within
        return
    yield (lambda columns: (columns.num.isnot(None), *_derived(columns))), "num"
    yield _is_nan, None
    for letter in _TEXTS:
        yield _begins_with(letter), "text"


def _begins_with(letter: str) -> Any:
    return lambda columns: (
        columns.text.isnot(None),
        columns.text >= letter,
        columns.text < chr(ord(letter) + 1),
        *_derived(columns),
    )


def _is_nan(columns: Columns) -> Sequence[Condition]:
    untyped = (columns.num.is_(None), columns.text.is_(None))
    return (*untyped, columns.kind == sa.literal_column(str(NAN)), *_derived(columns))


def _derived(columns: Columns) -> Sequence[Condition]:
    return (is_derived(),) if columns is calls.c else ()


def _last(statement: Any, source: Any, first: OrderBy, terms: Sequence[Any]) -> Any:
    """Return the statement for what is in no order of its own, or absent."""
    if first.joined is None:
        table = first.table.alias()
        same = sa.and_(table.c.call == calls.c.id, table.c.name == first.name)
        statement = statement.select_from(sa.outerjoin(source, table, same))
        kind = table.c.kind
    else:
        kind = first.joined.kind
    last = sa.or_(kind.is_(None), kind >= OTHER)
    return statement.where(last).order_by(*terms, calls.c.key)


def _joined(order: Sequence[OrderBy]) -> tuple[Any, list[Any]]:
    """Return ``calls`` with the rows of all fields, and what to order by."""
    source: Any = calls
    terms: list[Any] = []
    for by in order:
        columns = by.joined
        if columns is None:
            table = by.table.alias()
            columns = table.c
            same = sa.and_(columns.call == calls.c.id, columns.name == by.name)
            source = sa.outerjoin(source, table, same)
        terms += _terms(columns, by)
    return source, terms


def _terms(columns: Columns, by: OrderBy) -> list[Any]:
    """Return what to order by for one field; see :class:`~fleche_like.calls.Selection`.

    The columns are all NULL if the call has no row.
    """
    if by.within is not None:
        return [_directed(columns[by.within], by.descending)]
    kind = columns.kind
    last = sa.or_(kind.is_(None), kind >= OTHER)
    rank = sa.case((last, LAST_RANK), else_=kind // RANK_STEP)
    text = sa.case((last, sa.null()), else_=columns.text)
    return [rank, _directed(columns.num, by.descending), _directed(text, by.descending)]


def _directed(column: Any, descending: bool) -> Any:
    return column.desc() if descending else column
