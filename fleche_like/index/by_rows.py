"""Counts and aggregates that read the indexes on rows of values, and hardly ever the calls.

A group lies together in the index of its field, number by number and text by text, so that nothing
has to be sorted. This is for SQLite, which reads what a statement names in the order that it finds
cheapest by guessing; servers know their tables.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from fleche_like.calls import Field
from fleche_like.calls.aggregates import Group, Grouping, Groups, Tally, merge
from fleche_like.calls.expressions import Measure
from fleche_like.index.aggregates import (
    KEY_COLUMNS,
    decoded,
    group_columns,
    group_terms,
    measures_of,
    other_digest,
    tally_of,
    untyped_kind,
)
from fleche_like.index.conditions import TABLES, Place, Where, place_of
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import calls
from fleche_like.index.scalars import Columns, Condition, is_derived
from fleche_like.index.sources import Source, Sources, source_of_rows
from fleche_like.index.typed import FLOAT, INT

Read = Callable[[Sequence[Any]], Groups]
_CENTRED: Final = frozenset({"std"})

_ZERO: Final[Any] = sa.literal_column("0")

MOST_GATHERED: Final = 2000
"""Calls of a function that are put together first; of more, each row's call is asked for."""

_BY_FUNCTION: Final = "calls AS one INDEXED BY ix_calls_function"


def counting_rows(where: Where) -> Any:
    """Return the statement that counts the calls of rows, where nothing else is asked."""
    (first, columns), *_ = where.joined.items()
    # Of a function with few calls these are counted instead, so that none are to be gathered.
    conditions = _conditions(where, columns, but=first, gather=False)
    # Not of a column: that would be looked at in every row, for twice the time.
    statement = sa.select(sa.func.count()).select_from(columns.call.table)
    return statement.where(*where.on_rows[first], *conditions)


def _conditions(where: Where, columns: Columns, but: Place, *, gather: bool) -> Iterator[Condition]:
    """Yield everything that is asked of the call of a row, but for what is asked of the row.

    Args:
        where: what is asked.
        columns: those of the row.
        but: the field that the row is about.
        gather: whether the calls of the functions that are asked for are few: put together first.
    """
    if where.watermark is not None:
        yield columns.call + sa.literal_column("0") <= where.watermark
    for place, others in where.joined.items():
        if place != but:
            yield columns.call.in_(sa.select(others.call).where(*where.on_rows[place]))
    if where.identity is not None:
        yield columns.call.in_(_of_functions(where)) if gather else _is_of_functions(where, columns)


def _of_functions(where: Where) -> Any:
    """Return the select of all calls of the functions that are asked for."""
    return sa.select(calls.c.id).where(calls.c.function.in_(where.identity), is_derived())


def _is_of_functions(where: Where, columns: Columns) -> Condition:
    """Return that the call of a row is one of the functions that are asked for."""
    # Gathering many calls takes longer than all the rest. In the table of calls, which SQLite would
    # ask about each, they are far apart; the index by function has them side by side.
    same: Condition = sa.literal_column("one.id") == columns.call
    function: Condition = sa.literal_column("one.function").in_(where.identity)
    derived: Condition = sa.literal_column("one.kind >= 0")
    one: Any = sa.select(sa.literal_column("1")).select_from(sa.text(_BY_FUNCTION))
    found: Condition = sa.exists(one.where(function, derived, same).correlate(columns.call.table))
    return found


class _Class(NamedTuple):
    """The columns of rows of one class; NULL for what is not in its index."""

    num: Any
    text: Any
    kind: Any
    floats: Any


class RowSums:
    """The statements of a grouping.

    Args:
        where: what is asked of the calls, all of it of rows and functions.
        grouping: how they are grouped, and what is measured.
        ids: of names.
    """

    def __init__(self, where: Where, grouping: Grouping, ids: Identifiers) -> None:
        self._where = where
        self._grouping = grouping
        self._ids = ids

    @staticmethod
    def can(grouping: Grouping) -> bool:
        """Return whether groups lie together in an index of rows."""
        spreads = any(_CENTRED & grouping.measures_of(at) for at in range(len(grouping.measured)))
        by_result = bool(grouping.by) and place_of(grouping.by[0])[0] == "result"
        of_result = not grouping.by and any(place_of(f)[0] == "result" for f in grouping.measured)
        return not (spreads or by_result or of_result)

    def statements(self) -> Iterator[tuple[Any, Read]]:
        """Yield statements, each with what makes groups of its rows.

        Calls that lack the first field of the groups are in none; without any fields, there is
        one statement for each field that is measured.
        """
        if self._grouping.by:
            yield from self._of_groups()
            return
        for place, one in enumerate(self._grouping.measured):
            yield from self._of_all(place, one)

    # --- all calls together --------------------------------------------------------------------

    def _of_all(self, place: int, one: Field) -> Iterator[tuple[Any, Read]]:
        columns, conditions = self._rows(one)
        if columns is None:
            return
        measures = self._grouping.measures_of(place)

        def read(rows: Sequence[Any]) -> Groups:
            tallies = [Tally() for _ in self._grouping.measured]
            tallies[place] = tally_of(measures, iter(rows[0]))
            return {(): Group((), 0, tallies)}

        for own, seen in self._classes(one, columns, measures):
            source = Source(seen, columns.call, sa.null())
            figures = measures_of(source, measures, 0.0, seen.floats)
            yield sa.select(*_labelled(figures)).where(*conditions, own), read

    def _classes(
        self, one: Field, columns: Columns, measures: set[Measure]
    ) -> Iterator[tuple[Condition, _Class]]:
        """Yield where rows are of a class, and what its index has of them."""
        none, number, text = sa.null(), columns.num.isnot(None), columns.text.isnot(None)
        yield number, _Class(columns.num, none, columns.kind, self._has_floats(one))
        if measures - {"sum", "mean"}:
            yield text, _Class(none, columns.text, none, _ZERO)
        if "count" in measures:
            neither = sa.and_(columns.num.is_(None), columns.text.is_(None))
            yield neither, _Class(none, none, none, _ZERO)

    def _has_floats(self, one: Field) -> Any:
        """Return 1 if any number of a field is a float, where all calls are asked for.

        That is seen at the first one, while their kinds are in no index that has the numbers.
        """
        if self._is_limited():
            return None
        table, number = self._rows_of(one)
        rows = table.alias().c
        floats = sa.select(rows.call).where(
            rows.name == number, rows.num.isnot(None), rows.kind == FLOAT
        )
        return sa.case((sa.exists(floats), 1), else_=0)

    def _is_limited(self) -> bool:
        where = self._where
        return bool(where.joined or where.identity is not None or where.watermark)

    def _rows(self, one: Field) -> tuple[Columns | None, list[Condition]]:
        """Return the rows of a field, and what is asked of them and their calls."""
        place = place_of(one)
        columns = self._where.joined.get(place)
        if columns is not None:
            own = self._where.on_rows[place]
        else:
            kind, name = place
            number = self._ids.known_name(name)
            if number is None:
                return None, []
            columns = TABLES[kind].alias().c
            own = [columns.name == number]
        conditions = _conditions(self._where, columns, but=place, gather=self._gathers)
        return columns, [*own, *conditions]

    @functools.cached_property
    def _gathers(self) -> bool:
        """Whether the functions that are asked for have few calls; looked up once."""
        where = self._where
        if where.identity is None:
            return False
        return not where.is_any(_of_functions(where).offset(MOST_GATHERED))

    # --- groups --------------------------------------------------------------------------------

    def _of_groups(self) -> Iterator[tuple[Any, Read]]:
        columns, conditions = self._rows(self._grouping.by[0])
        if columns is None:
            return
        number = columns.num.isnot(None)
        text = columns.text.isnot(None)
        neither = sa.and_(columns.num.is_(None), columns.text.is_(None))
        first, none = source_of_rows(self._grouping.by[0], columns), sa.null()
        # No column that the index of a class does not have: else each row is looked up.
        for own, terms, shown in (
            (number, [columns.num], [columns.num, none, none, none, self._least_kind(columns)]),
            (text, [columns.text], [none, columns.text, none, none, none]),
            (neither, [untyped_kind(columns), other_digest(first)], group_columns(first)),
        ):
            # Mostly no row is of that class, and SQLite would look for one in every call.
            if own is not neither or self._has_untyped():
                yield self._of_class(first, [*conditions, own], terms, shown), self._read

    def _has_untyped(self) -> bool:
        """Return whether any row of the first field has neither number nor text."""
        table, number = self._rows_of(self._grouping.by[0])
        untyped = (table.c.num.is_(None), table.c.text.is_(None))
        return self._where.is_any(sa.select(table.c.call).where(table.c.name == number, *untyped))

    def _least_kind(self, columns: Columns) -> Any:
        """Return the least kind of a group of numbers, which tells integers from floats."""
        if self._is_limited():
            return sa.func.min(columns.kind)
        table, number = self._rows_of(self._grouping.by[0])
        other = table.alias().c
        integers = sa.exists(
            sa.select(other.call).where(
                other.name == number, other.num == columns.num, other.kind == INT
            )
        )
        return sa.case((integers, INT), else_=FLOAT)

    def _rows_of(self, one: Field) -> tuple[Any, int | None]:
        kind, name = place_of(one)
        return TABLES[kind], self._ids.known_name(name)

    def _of_class(
        self,
        first: Source,
        conditions: Sequence[Condition],
        terms: list[Any],
        own: Sequence[Any],
    ) -> Any:
        assert first.columns is not None
        call, place = first.columns.call, place_of(self._grouping.by[0])
        sources = Sources(call.table, call, self._ids, {place: first.columns})
        others = [sources.of(one) for one in self._grouping.by[1:]]
        measured = [sources.of(one) for one in self._grouping.measured]
        shown = [*own, *(part for one in others for part in group_columns(one))]
        figures = [
            part
            for place, one in enumerate(measured)
            for part in measures_of(one, self._grouping.measures_of(place), 0.0)
        ]
        rest = [part for one in others for part in group_terms(one)]
        statement = sa.select(*_labelled([sa.func.count(), *shown, *figures]))
        return statement.select_from(sources.table).where(*conditions).group_by(*terms, *rest)

    def _read(self, rows: Sequence[Any]) -> Groups:
        found: Groups = {}
        for row in rows:
            cells = iter(row)
            count = next(cells)
            keyed = [decoded(*(next(cells) for _ in range(KEY_COLUMNS))) for _ in self._grouping.by]
            tallies = [
                tally_of(self._grouping.measures_of(at), cells) if self._is_there(one) else Tally()
                for at, one in enumerate(self._grouping.measured)
            ]
            key = tuple((rank, form) for rank, form, _ in keyed)
            merge(found, {key: Group(tuple(label for *_, label in keyed), count, tallies)})
        return found

    def _is_there(self, one: Field) -> bool:
        kind, name = place_of(one)
        return kind == "result" or self._ids.known_name(name) is not None


def _labelled(columns: Sequence[Any]) -> list[Any]:
    return [column.label(f"c{place}") for place, column in enumerate(columns)]
