"""Columns as tables of pandas, Polars or Arrow, each column with the type that its cells have."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any

from fleche_like.errors import QueryError
from fleche_like.query.columns import Columns
from fleche_like.query.preview import preview
from fleche_like.support.optional import require
from fleche_like.support.sentinel import MISSING

_INT64 = range(-(2**63), 2**63)
_EXACT_FLOAT = 2**53


def builder(library: str | None) -> Callable[[Columns], Any]:
    """Return what makes a table of ``library`` from columns; None makes a list of dicts.

    Raises:
        MissingExtra: the library is not installed.
        QueryError: there is no such library here.
    """
    if library is None:
        return lambda columns: list(columns.rows())
    if library not in _LIBRARIES:
        known = ", ".join(map(repr, _LIBRARIES))
        raise QueryError(f"no tables of {library!r}; there are {known} and None")
    module, build = _LIBRARIES[library]
    return functools.partial(build, require(module, extra=library))


def kind_of(cells: Iterable[Any]) -> str:
    """Return what all cells are, those without a value aside.

    One of ``bool``, ``int`` (64 bits), ``float`` (also with ints that a float holds exactly),
    ``str``, ``naive`` and ``aware`` (datetimes), ``empty`` and ``object`` (everything else).
    """
    kinds = {_kind(cell) for cell in cells if not _absent(cell)}
    if kinds <= {"int", "float", "exact"} and kinds:
        return _number_kind(kinds)
    if len(kinds) == 1:
        return kinds.pop()
    return "object" if kinds else "empty"


def _kind(cell: Any) -> str:
    kind = type(cell)
    if kind is int:
        if -_EXACT_FLOAT <= cell <= _EXACT_FLOAT:
            return "exact"
        return "int" if cell in _INT64 else "object"
    if kind is datetime:
        return _datetime_kind(cell)
    return kind.__name__ if kind in (bool, float, str) else "object"


def _datetime_kind(cell: datetime) -> str:
    if cell.utcoffset() is None:
        return "naive"
    try:
        # Only at the ends of the calendar can a moment have no place in it in another zone.
        if cell.year in {MINYEAR, MAXYEAR}:
            cell.astimezone(UTC)
    except OverflowError:
        return "object"
    return "aware"


def _number_kind(kinds: set[str]) -> str:
    if "float" not in kinds:
        return "int"
    return "float" if "int" not in kinds else "object"


def _absent(cell: Any) -> bool:
    return cell is MISSING or cell is None


def _plain(cells: Iterable[Any]) -> list[Any]:
    return [None if cell is MISSING else cell for cell in cells]


def _prepared(cells: list[Any], kind: str) -> list[Any]:
    """Return the cells as libraries take them: one zone for a column, None for no value."""
    plain = _plain(cells)
    if kind == "aware" and len({str(cell.tzinfo) for cell in plain if cell is not None}) > 1:
        return [None if cell is None else cell.astimezone(UTC) for cell in plain]
    return plain


def _zone(plain: Iterable[Any]) -> Any:
    return next(cell.tzinfo for cell in plain if cell is not None)


# --- pandas ---


def _to_pandas(pandas: Any, columns: Columns) -> Any:
    index = None
    if columns.keys is not None:
        index = pandas.Index(columns.keys, dtype=object, name="key")
    named = {name: _pandas_series(pandas, cells, index) for name, cells in columns.named.items()}
    return pandas.DataFrame(named, index=index)


def _pandas_series(pandas: Any, cells: list[Any], index: Any) -> Any:
    kind = kind_of(cells)
    plain = _prepared(cells, kind)
    dtype: Any = _pandas_dtype(kind, whole=not any(map(_absent, cells)))
    if kind == "aware":
        dtype = pandas.DatetimeTZDtype("us", _zone(plain))
    try:
        return pandas.Series(plain, index=index, dtype=dtype)
    except (ValueError, TypeError, OverflowError):
        # Say a zone that pandas does not know, or text that is no Unicode: the cells stay as
        # they are rather than the table fail.
        return pandas.Series(plain, index=index, dtype=object)


def _pandas_dtype(kind: str, *, whole: bool) -> Any:
    # A column of ints with holes must not become one of floats; floats have NaN of their own.
    match kind:
        case "bool":
            return "bool" if whole else "boolean"
        case "int":
            return "int64" if whole else "Int64"
        case "float":
            return "float64"
        case "naive":
            return "datetime64[us]"
        case "str":
            return None  # what this pandas takes for text
    return object


# --- Polars ---


def _to_polars(polars: Any, columns: Columns) -> Any:
    named = _with_keys(columns)
    return polars.DataFrame([_polars_series(polars, *item) for item in named.items()])


def _polars_series(polars: Any, name: str, cells: list[Any]) -> Any:
    kind = kind_of(cells)
    dtypes = {
        "bool": polars.Boolean,
        "int": polars.Int64,
        "float": polars.Float64,
        "str": polars.String,
        "naive": polars.Datetime("us"),
        "aware": polars.Datetime("us", "UTC"),
        "empty": polars.Null,
    }
    plain = _universal(cells, kind)
    try:
        return polars.Series(name, plain, dtype=dtypes.get(kind, polars.Object))
    except (ValueError, TypeError, OverflowError):
        return polars.Series(name, plain, dtype=polars.Object)


# --- Arrow ---


def _to_arrow(arrow: Any, columns: Columns) -> Any:
    named = _with_keys(columns)
    return arrow.table({name: _arrow_array(arrow, cells) for name, cells in named.items()})


def _arrow_array(arrow: Any, cells: list[Any]) -> Any:
    kind = kind_of(cells)
    types = {
        "bool": arrow.bool_(),
        "int": arrow.int64(),
        "float": arrow.float64(),
        "str": arrow.string(),
        "naive": arrow.timestamp("us"),
        "aware": arrow.timestamp("us", "UTC"),
        "empty": arrow.null(),
    }
    plain = _universal(cells, kind)
    try:
        if kind in types or _is_for_arrow(plain):
            return arrow.array(plain, type=types.get(kind))
    except (ValueError, TypeError, OverflowError, arrow.ArrowException):
        pass  # Arrow has no column for any Python object at all.
    return arrow.array([None if cell is None else preview(cell) for cell in plain])


def _is_for_arrow(plain: Iterable[Any]) -> bool:
    """Return whether Arrow may find a type for cells that are of none of ours.

    Of several types together it makes one, and drops zones for that.
    """
    found = {type(cell) for cell in plain if cell is not None}
    return len(found) == 1 and datetime not in found


def _with_keys(columns: Columns) -> dict[str, list[Any]]:
    return columns.named if columns.keys is None else {"key": columns.keys, **columns.named}


def _universal(cells: list[Any], kind: str) -> list[Any]:
    """Return the cells for libraries that neither mix numbers nor know every zone."""
    plain = _plain(cells)
    if kind == "float":
        return [None if cell is None else float(cell) for cell in plain]
    if kind == "aware":
        return [None if cell is None else cell.astimezone(UTC) for cell in plain]
    return plain


# The name of a library here is also that of the extra that brings it.
_LIBRARIES: dict[str, tuple[str, Callable[[Any, Columns], Any]]] = {
    "pandas": ("pandas", _to_pandas),
    "polars": ("polars", _to_polars),
    "arrow": ("pyarrow", _to_arrow),
}
