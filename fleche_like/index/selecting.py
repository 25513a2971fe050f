"""Selections run in SQL, or narrowed down there and decided in Python."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.calls import (
    DigestedCall,
    Field,
    Grouping,
    Groups,
    LazyCall,
    Loader,
    Ordering,
    Selection,
    aggregate_from,
    grouped,
    select_from,
)
from fleche_like.calls.aggregates import Group, Tally, merge
from fleche_like.calls.lineage import LineageQuery, Related
from fleche_like.calls.selection import place
from fleche_like.codecs import Signer
from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index.aggregates import Sums
from fleche_like.index.by_rows import RowSums, counting_rows
from fleche_like.index.conditions import TABLES, Place, Where, place_of
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.late import Late
from fleche_like.index.lineage import LineageReader
from fleche_like.index.models import calls
from fleche_like.index.ordering import by_class, order_of, ordered
from fleche_like.index.records import Records, opened
from fleche_like.index.scalars import Columns, Condition, exactly, is_derived
from fleche_like.index.typed import NEAR

BATCH: Final = 200

MOST_WALKED: Final = 1000
"""So many first calls in an order are read along indexes; further pages are sorted."""

MOST_LOOKED_UP: Final = 20_000
"""Up to so many calls are looked up by their ids, rather than all calls of a function read."""

MOST_SORTED: Final = 1000
"""Where a condition by itself leaves no more calls than this, they are sorted at once."""


class Selector:
    """Answers selections over one database.

    Args:
        database: where the rows are.
        ids: of names.
        records: gives the records of keys; ``None`` if they are in the rows of the calls.
        late: gives the calls that are not indexed yet; ``None`` where there are none.
        signer: tells which records to believe, and has what they say decide rather than the rows.
    """

    def __init__(
        self,
        database: Database,
        ids: Identifiers,
        records: Records | None,
        late: Late | None,
        signer: Signer | None = None,
    ) -> None:
        self._database = database
        self._signer = signer
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
            # SQLite counts rows without looking at them, if nothing is said of them.
            statement = sa.select(sa.func.count()).select_from(calls)
            return _counted(self._number(statement), selection)
        selection = replace(selection, order=())
        late, where = self._asked(selection)
        if not late:
            return self._count_indexed(where, selection, loader)
        wanted, _ = _from_the_beginning(selection)
        found = self._count_indexed(where, wanted, loader)
        return _counted(found + sum(1 for _ in select_from(late, wanted, loader)), selection)

    def aggregate(self, selection: Selection, grouping: Grouping, loader: Loader) -> Groups:
        """Return the groups of the selected calls: see :mod:`fleche_like.calls.aggregates`."""
        if selection.limit is not None or selection.offset:
            chosen = self.select(selection, loader)
            return aggregate_from(chosen, Selection(), grouping, loader)
        selection = replace(selection, order=())
        late, where = self._asked(selection)
        sums = Sums(where, grouping, self._ids)
        odd = [one for one in sums.odd() if self._is_any(sa.select(calls.c.id).where(one))]
        if not odd and where.exact and self._database.dialect == "sqlite":
            groups = self._by_rows(where, grouping)
            if groups is not None:
                lazy = (LazyCall(call, loader) for call in select_from(late, selection, loader))
                merge(groups, grouped(lazy, grouping))
                return groups
        sure = [*where.must, *map(sa.not_, odd)]
        means = sums.centres_statement(sure)
        row = () if means is None else self._read_one(means)
        centres = [float(mean or 0) for mean in row or ()] or [0.0] * len(grouping.measured)
        groups = sums.groups(self._read(sums.statement(sure, centres)))
        others: Iterable[DigestedCall] = late
        if odd or not where.exact:
            doubtful = self._statement([*where.conditions, sa.not_(sa.and_(*sure))])
            others = itertools.chain(late, self._found(doubtful))
        found = select_from(others, selection, loader)
        lazy = (LazyCall(call, loader) for call in found)
        merge(groups, grouped(lazy, grouping, centres))
        return groups

    def _by_rows(self, where: Where, grouping: Grouping) -> Groups | None:
        """Return the groups as the indexes on rows give them; ``None`` where they do not."""
        if not (where.is_by_rows and RowSums.can(grouping)):
            return None
        sums = RowSums(where, grouping, self._ids)
        found: Groups = {}
        for statement, read in sums.statements():
            merge(found, read(self._read(statement)))
        if not (grouping.by or grouping.counts_calls):
            return found
        total = self._number(self._counting(where))
        missing = total - sum(group.calls for group in found.values())
        if not missing and grouping.by:
            return found
        if grouping.by:
            return None
        merge(found, {(): Group((), missing, [Tally() for _ in grouping.measured])})
        return found

    def related(self, asked: LineageQuery) -> Related:
        """Return the calls of a lineage: see :func:`~fleche_like.calls.lineage.related_in`."""
        columns = self._statement([]).selected_columns
        reader = LineageReader(self._database, self._late, self._found, list(columns))
        return reader.related(asked)

    def _read(self, statement: Any) -> Sequence[Any]:
        return self._database.read(*self._database.bound(statement))

    def _read_one(self, statement: Any) -> Any:
        return self._database.read_one(*self._database.bound(statement))

    def _asked(self, selection: Selection) -> tuple[Sequence[DigestedCall], Where]:
        """Return the calls that are late, and what is asked of all others."""
        late, watermark = self._late.pending() if self._late is not None else ((), 0)
        return late, self._where(selection, watermark if late else None)

    def _indexed(
        self, where: Where, selection: Selection, loader: Loader
    ) -> Iterator[DigestedCall]:
        if not self._can_order(where, selection.order):
            return select_from(self._found(self._statement(where.conditions)), selection, loader)
        order = order_of(where, selection.order, self._ids)
        statement = self._statement(where.conditions)
        if selection.order:
            statement = ordered(statement, order)
        if not where.exact or self._signer is not None:
            return select_from(self._found(statement), replace(selection, order=()), loader)
        _, stop = _from_the_beginning(selection)
        if order and stop is not None and stop <= MOST_WALKED:
            return itertools.islice(self._first(selection, where, stop), selection.offset, stop)
        return self._found(_limited(statement, selection))

    def _count_indexed(self, where: Where, selection: Selection, loader: Loader) -> int:
        if not where.exact:
            return self._count_inexact(where, selection, loader)
        if selection.limit is None and not selection.offset:
            return self._number(self._counting(where))
        limited = _limited(sa.select(calls.c.id).where(*where.conditions), selection).subquery()
        return self._number(sa.select(sa.func.count()).select_from(limited))

    def _counting(self, where: Where) -> Any:
        """Return the statement that counts all calls that are asked for."""
        by_rows = self._database.dialect == "sqlite" and where.is_by_rows and where.joined
        if by_rows and (where.identity is None or self._are_many(where)):
            return counting_rows(where)
        return sa.select(sa.func.count(calls.c.id)).where(*where.conditions)

    def _are_many(self, where: Where) -> bool:
        """Whether each condition by itself leaves so many calls that looking them up costs more."""
        drivers = (driver.limit(MOST_LOOKED_UP + 1).subquery() for driver in where.drivers.values())
        counts = (self._number(sa.select(sa.func.count()).select_from(one)) for one in drivers)
        return all(count > MOST_LOOKED_UP for count in counts)

    def _count_inexact(self, where: Where, selection: Selection, loader: Loader) -> int:
        """Count what is sure in SQL, and look only at the rest."""
        sure = self._number(sa.select(sa.func.count(calls.c.id)).where(*where.must))
        doubtful = self._statement([*where.conditions, sa.not_(sa.and_(*where.must))])
        everything = replace(selection, limit=None, offset=0)
        looked_at = select_from(self._found(doubtful), everything, loader)
        return _counted(sure + sum(1 for _ in looked_at), selection)

    def _number(self, statement: Any) -> int:
        row = self._read_one(statement)
        return 0 if row is None else int(row[0])

    def _where(
        self, selection: Selection, watermark: int | None, lead: Place | None = None
    ) -> Where:
        where = Where(self._ids, self._is_any, lead)
        where.add_template(selection.template)
        for condition in selection.conditions:
            where.add_expression(condition)
        where.watermark = watermark
        where.add(exactly(is_derived()), is_other=False)
        if watermark is not None:
            # Not by the table's own order: a sum is nothing to search by.
            earlier = calls.c.id + sa.literal_column("0") <= watermark
            where.add(exactly(earlier), is_other=False)
        return where

    # --- statements ----------------------------------------------------------------------------

    def _statement(self, conditions: Sequence[Condition]) -> Any:
        columns: list[Any] = [calls.c.key]
        if self._records is None:
            columns.append(calls.c.record)
        return sa.select(*columns).where(*conditions)

    def _can_order(self, where: Where, order: Sequence[Ordering]) -> bool:
        """Whether SQL can order exactly: nothing is to be loaded, nothing near in any call."""
        fields = [by.field for by in order]
        return all(map(where.is_known, fields)) and not any(map(self._has_near, fields))

    def _has_near(self, field: Field) -> bool:
        kind, name = place_of(field)
        if kind == "result":
            return self._is_any(sa.select(calls.c.id).where(_is_near(calls.c)))
        table, number = TABLES[kind], self._ids.known_name(name)
        near = sa.select(table.c.call).where(table.c.name == number, _is_near(table.c))
        return number is not None and self._is_any(near)

    def _is_any(self, statement: Any) -> bool:
        return self._read_one(statement.limit(1)) is not None

    def _first(self, selection: Selection, where: Where, stop: int) -> Iterator[DigestedCall]:
        """Yield the first calls in an order, along indexes; ``stop`` of them or all."""
        lead = next((place_of(by.field) for by in selection.order if self._is_used(by)), None)
        for own, driver in where.drivers.items():
            numbers = None if own == lead else self._few(driver)
            if numbers is not None:
                statement = self._statement([*where.conditions, calls.c.id.in_(numbers)])
                order = order_of(where, selection.order, self._ids)
                yield from self._found(ordered(statement, order).limit(stop))
                return
        where = self._where(selection, where.watermark, lead=self._lead(lead))
        statement = self._statement(where.conditions)
        for part in by_class(statement, order_of(where, selection.order, self._ids)):
            counted = _Counted(self._rows(part.limit(stop)))
            yield from opened(counted, self._signer)
            stop -= counted.count
            if stop <= 0:
                return

    def _is_used(self, by: Ordering) -> bool:
        kind, name = place_of(by.field)
        return kind == "result" or self._ids.known_name(name) is not None

    def _lead(self, place: Place | None) -> Place | None:
        return place if self._database.dialect == "sqlite" else None

    def _few(self, driver: Any) -> list[int] | None:
        """Return the ids that a condition by itself leaves; ``None`` if these are many."""
        found = self._database.read(*self._database.bound(driver.limit(MOST_SORTED + 1)))
        return None if len(found) > MOST_SORTED else [number for (number,) in found]

    # --- records -------------------------------------------------------------------------------

    def _found(self, statement: Any) -> Iterator[DigestedCall]:
        return opened(self._rows(statement), self._signer)

    def _rows(self, statement: Any) -> Iterator[Any]:
        """Yield keys and records."""
        rows = self._database.stream(*self._database.bound(statement))
        return rows if self._records is None else self._with_records(rows, self._records)

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


class _Counted(Iterator[Any]):
    """An iterator that knows how many it gave."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self.count = 0

    def __next__(self) -> Any:
        item = next(self._items)
        self.count += 1
        return item


def _limited(statement: Any, selection: Selection) -> Any:
    if selection.limit is not None:
        statement = statement.limit(selection.limit)
    return statement.offset(selection.offset) if selection.offset else statement


def _is_near(columns: Columns) -> Any:
    # Literals, not parameters: else no database sees that the partial index has just these rows.
    return columns.kind.in_([sa.literal_column(str(kind)) for kind in NEAR])
