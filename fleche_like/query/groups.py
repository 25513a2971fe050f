"""Calls grouped, and figures of each group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from fleche_like.calls import Aggregate, Field, Grouping, Groups, LazyCall, Selection, grouped
from fleche_like.errors import QueryError
from fleche_like.query.columns import Columns
from fleche_like.query.fields import field_named, name_of
from fleche_like.query.frames import builder
from fleche_like.query.html import render
from fleche_like.query.source import AggregatingSource, QuerySource
from fleche_like.support.sentinel import MISSING


class GroupedCalls:
    """The calls of a query, grouped by fields; nothing is read yet.

    Args:
        source: what holds the calls.
        selection: which of them.
        by: the fields by the names of their columns.
    """

    def __init__(self, source: QuerySource, selection: Selection, by: Mapping[str, Field]) -> None:
        self._source = source
        self._selection = selection
        self._by = dict(by)

    def __repr__(self) -> str:
        return f"<calls grouped by {', '.join(self._by)}>"

    def agg(self, **aggregates: Aggregate) -> Summary:
        """Return figures of each group, in the order of the groups.

        Args:
            aggregates: by the names of their columns, such as ``n=count()`` or
                ``best=result().max()``.

        Raises:
            QueryError: something is no aggregate, or has the name of a field of the groups.
        """
        found = figures(self._source, self._selection, self._by, aggregates)
        labels = list(self._by)
        rows = [dict(zip(labels, group, strict=True)) | shown for group, shown in found]
        return Summary(rows, [*labels, *aggregates])


class Summary(Sequence[dict[str, Any]]):
    """One row for each group: its fields, then its figures; what there is not is left out."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
        self._names = names
        self._rows = [
            {name: cell for name, cell in row.items() if cell is not MISSING} for row in rows
        ]

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(self._rows)

    def table(self, *, library: str | None = "pandas") -> Any:
        """Return the rows as a table with typed columns; see :meth:`Query.table`.

        Raises:
            MissingExtra: the library is not installed.
            QueryError: there is no such library here.
        """
        return list(self._rows) if library is None else builder(library)(self._columns(keys=None))

    def _columns(self, keys: list[str] | None) -> Columns:
        named = {name: [row.get(name, MISSING) for row in self._rows] for name in self._names}
        return Columns(keys, named)

    def _repr_html_(self) -> str:
        numbers = [str(number) for number in range(len(self._rows))]
        return render(self._columns(numbers), asked=f"{len(self._rows)} groups", more=False)


def labelled(fields: Sequence[str | Field]) -> dict[str, Field]:
    """Return fields by the names of their columns.

    Raises:
        QueryError: something is no field, or there is none.
    """
    if not fields:
        raise QueryError("nothing to group by; agg() of the query itself takes all calls together")
    found: dict[str, Field] = {}
    for field in fields:
        if not isinstance(field, str | Field):
            raise QueryError(f"nothing to group by: {type(field).__name__}")
        named = field_named(field) if isinstance(field, str) else field
        found[name_of(named)] = named
    return found


def figures(
    source: QuerySource,
    selection: Selection,
    by: Mapping[str, Field],
    aggregates: Mapping[str, Aggregate],
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return labels and figures of each group."""
    for name, one in aggregates.items():
        if not isinstance(one, Aggregate):
            raise QueryError(f"{name}: no aggregate, such as count() or result().max()")
        if name in by:
            raise QueryError(f"{name!r} is the name of a field of the groups already")
    grouping = Grouping(list(by.values()), aggregates)
    return grouping.figures(_groups(source, selection, grouping))


def _groups(source: QuerySource, selection: Selection, grouping: Grouping) -> Groups:
    if isinstance(source, AggregatingSource):
        return source.aggregate(selection, grouping)
    found: Iterator[LazyCall] = source.select(selection)
    return grouped(found, grouping)
