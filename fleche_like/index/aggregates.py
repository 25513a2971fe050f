"""Aggregates in SQL: one statement for what SQL can say exactly, Python for the few other calls.

Left to Python are calls that have, in a field that counts, a value that stands in a place of
another (an infinity, an integer beyond doubles, a text that was cut), or one that must be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.calls import Field
from fleche_like.calls.aggregates import (
    ABSENT,
    Group,
    Grouping,
    GroupKey,
    Groups,
    Tally,
    key_of_digest,
    key_of_scalar,
    label_of_scalar,
    merge,
)
from fleche_like.calls.expressions import Measure
from fleche_like.calls.operands import comparable_form
from fleche_like.hashing import Digest
from fleche_like.index.conditions import TABLES, Where, place_of
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import calls
from fleche_like.index.scalars import Columns, Condition
from fleche_like.index.sources import Source, Sources
from fleche_like.index.typed import FLOAT, INT, LARGEST, NAN, NEAR, NONE, OTHER, PARTED
from fleche_like.support.sentinel import MISSING

KEY_COLUMNS: Final = 5
_CLASSES: Final = {"b": 0, "s": 1, "t": 2, "u": 3}
_SQUARED: Final = 1e145
"""Squares of numbers from here on add up to more than a double holds, which servers refuse."""

_UNSQUARED: Final = 1e-150
"""Squares of smaller numbers may be too small for a double, which PostgreSQL refuses."""

_CENTRED: Final = frozenset({"std"})


class Sums:
    """The statement of a grouping.

    Args:
        where: what is asked of the calls.
        grouping: how they are grouped, and what is measured.
        ids: of names.
    """

    def __init__(self, where: Where, grouping: Grouping, ids: Identifiers) -> None:
        self._ids = ids
        self._where = where
        self._grouping = grouping
        self._sources = Sources(calls, calls.c.id, ids, where.joined)
        self._by = [self._sources.of(one) for one in grouping.by]
        self._measured = [self._sources.of(one) for one in grouping.measured]

    def odd(self) -> list[Condition]:
        """Return where a call has to be looked at in Python, for each reason there may be."""
        keys = [self._odd_rows(one, is_key=True) for one in self._grouping.by]
        others = [self._odd_rows(one, is_key=False) for one in self._grouping.measured]
        return [condition for several in (*keys, *others) for condition in several]

    def _odd_rows(self, one: Field, *, is_key: bool) -> Iterator[Condition]:
        unknown = self._where.unknown(one)
        if unknown is not None:
            yield unknown
        kind, name = place_of(one)
        if kind == "result":
            yield from _odd_values(calls.c)
            return
        number, table = self._ids.known_name(name), TABLES[kind]
        if number is None:
            return
        conditions = [*_odd_values(table.c)]
        if one.path and is_key:  # what has no digest in the rows
            conditions.append(_is_composite(table.c))
        for condition in conditions:
            found = sa.select(table.c.call).where(table.c.name == number, condition)
            yield calls.c.id.in_(found)

    # --- the statement -------------------------------------------------------------------------

    def statement(self, conditions: Sequence[Condition], centres: Sequence[float]) -> Any:
        """Return the statement that gives one row for each group."""
        keys = [part for one in self._by for part in group_terms(one)]
        shown = [part for one in self._by for part in group_columns(one)]
        figures = [
            part
            for place, one in enumerate(self._measured)
            for part in measures_of(one, self._grouping.measures_of(place), centres[place])
        ]
        columns = [sa.func.count(calls.c.id), *shown, *figures]
        labelled = [column.label(f"c{place}") for place, column in enumerate(columns)]
        statement = sa.select(*labelled).select_from(self._sources.table).where(*conditions)
        return statement.group_by(*keys) if keys else statement

    def centres_statement(self, conditions: Sequence[Condition]) -> Any:
        """Return the statement for the means of all fields of which spreads are asked, or None."""
        means = [
            sa.func.avg(one.columns.num).label(f"m{place}")
            if one.columns is not None and _CENTRED & self._grouping.measures_of(place)
            else sa.literal_column("0.0").label(f"m{place}")
            for place, one in enumerate(self._measured)
        ]
        centred = (self._grouping.measures_of(at) & _CENTRED for at in range(len(means)))
        if not any(centred):
            return None
        return sa.select(*means).select_from(self._sources.table).where(*conditions)

    # --- its rows ------------------------------------------------------------------------------

    def groups(self, rows: Sequence[Any]) -> Groups:
        """Return the groups of the rows of :meth:`statement`."""
        found: Groups = {}
        for row in rows:
            if row[0]:
                key, group = self._group(row)
                merge(found, {key: group})
        return found

    def _group(self, row: Sequence[Any]) -> tuple[GroupKey, Group]:
        cells = iter(row)
        count = next(cells)
        keyed = [decoded(*(next(cells) for _ in range(KEY_COLUMNS))) for _ in self._by]
        tallies = [
            Tally() if one.columns is None else tally_of(self._grouping.measures_of(place), cells)
            for place, one in enumerate(self._measured)
        ]
        key = tuple((rank, form) for rank, form, _ in keyed)
        return key, Group(tuple(label for _, _, label in keyed), count, tallies)


def _odd_values(columns: Columns) -> Iterator[Condition]:
    # Literals: each is to be read as the condition of an index.
    yield columns.kind.in_([sa.literal_column(str(kind)) for kind in NEAR])
    derived = [columns.kind >= sa.literal_column("0")] if columns is calls.c else []
    # Among them the largest, where what is larger stands.
    for large in (columns.num >= _SQUARED, columns.num <= -_SQUARED):
        # One by one: of both together SQLite makes no range.
        yield sa.and_(columns.num.isnot(None), large, *derived)


def _is_composite(columns: Columns) -> Condition:
    return sa.and_(columns.num.is_(None), columns.text.is_(None), columns.kind.in_([OTHER, PARTED]))


def group_terms(one: Source) -> list[Any]:
    """Return what to group by."""
    columns = one.columns
    if columns is None:
        return []
    return [columns.num, columns.text, untyped_kind(columns), other_digest(one)]


def untyped_kind(columns: Columns) -> Any:
    """Return the kind of what is in no other index."""
    untyped = sa.and_(columns.num.is_(None), columns.text.is_(None))
    return sa.case((untyped, columns.kind))


def other_digest(one: Source) -> Any:
    """Return the digest of what is no scalar."""
    assert one.columns is not None
    # Literals: with parameters PostgreSQL would not see that it groups by what it shows.
    kinds: list[Any] = [sa.literal_column(str(kind)) for kind in (OTHER, PARTED)]
    return sa.case((one.columns.kind.in_(kinds), one.digest))


def group_columns(one: Source) -> list[Any]:
    """Return what :func:`decoded` takes."""
    columns = one.columns
    if columns is None:
        return [sa.null()] * KEY_COLUMNS
    terms = group_terms(one)
    return [*terms, sa.func.min(columns.kind)]


def measures_of(
    one: Source, measures: set[Measure], centre: float, floats: Any = None
) -> list[Any]:
    """Return what :func:`tally_of` takes.

    Args:
        one: the rows of the field.
        measures: what is asked of it.
        centre: a number near its mean.
        floats: how many of its numbers are floats, or any other number above zero if some are;
            counted if omitted.
    """
    columns = one.columns
    if columns is None:
        return []
    found: list[Any] = [sa.func.count(one.here), sa.func.count(columns.num)]
    if measures & {"min", "max", "sum"}:
        counted = sa.func.sum(sa.case((columns.kind == FLOAT, 1), else_=0))
        found.append(counted if floats is None else floats)
    if measures & {"sum", "mean"}:
        found.append(sa.func.sum(columns.num))
    for measure, function in (("min", sa.func.min), ("max", sa.func.max)):
        if measure in measures:
            found += [function(columns.num), function(columns.text)]
    if "std" in measures:
        distance = columns.num - sa.bindparam(None, centre, sa.Double())
        tiny = sa.func.abs(distance) < _UNSQUARED
        squared: Any = sa.case((tiny, sa.literal_column("0.0")), else_=distance * distance)
        found += [sa.func.sum(distance), sa.func.sum(squared)]
    return found


def tally_of(measures: set[Measure], cells: Iterator[Any]) -> Tally:
    """Return the tally of the next cells of a row."""
    tally = Tally(next(cells), next(cells))
    if measures & {"min", "max", "sum"}:
        tally.floats = int(next(cells) or 0)
    whole = bool(measures & {"min", "max", "sum"}) and not tally.floats
    if measures & {"sum", "mean"}:
        tally.total = _number(next(cells), whole=whole) or 0
    if "min" in measures:
        tally.low, tally.first = _number(next(cells), whole=whole), _place(next(cells))
    if "max" in measures:
        tally.high, tally.last = _number(next(cells), whole=whole), _place(next(cells))
    if "std" in measures:
        tally.deviation, tally.squares = (float(next(cells) or 0) for _ in range(2))
    return tally


def _number(value: float | None, *, whole: bool) -> int | float | None:
    return int(value) if whole and value is not None and abs(value) <= LARGEST else value


def _place(text: str | None) -> tuple[int, Any] | None:
    if text is None:
        return None
    return _CLASSES[text[0]], comparable_form(_scalar(text))


def _scalar(text: str) -> Any:
    """Return the scalar of a column of texts that was not cut."""
    tag, rest = text[0], text[1:]
    if tag == "s":
        return rest
    if tag == "b":
        return rest == "1"
    moment = datetime.fromisoformat(rest)
    return moment.replace(tzinfo=UTC) if tag == "u" else moment


def decoded(
    num: float | None, text: str | None, untyped: int | None, digest: bytes | None, kind: int | None
) -> tuple[int, Any, Any]:
    """Return rank, form and label of a group."""
    if num is not None:
        number = int(num) if kind == INT else num
        return (*key_of_scalar(number), label_of_scalar(number))
    if text is not None:
        scalar = _scalar(text)
        return (*key_of_scalar(scalar), label_of_scalar(scalar))
    if untyped in {NAN, NONE}:
        value = float("nan") if untyped == NAN else None
        return (*key_of_scalar(value), value)
    if digest is None:
        return (*ABSENT, MISSING)
    sealed = Digest(bytes(digest).hex())
    return (*key_of_digest(sealed), sealed)
