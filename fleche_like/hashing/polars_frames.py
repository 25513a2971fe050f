"""Polars: frames and series are nodes, written column by column without the help of Arrow.

What is hashed is what a column holds, whatever its chunks and the bytes under nulls are. The codes
of a categorical belong to one process, so its texts stand for them.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from fleche_like.hashing import tags
from fleche_like.hashing.branch import Branch, Made, group, kind, listing, named, node
from fleche_like.hashing.library import Library, class_name


def _frame(value: Any) -> Branch:
    names = value.columns
    columns = Branch(
        tags.LIST + tags.length(len(names)),
        [_column(column) for column in value.get_columns()],
        label=lambda index, _children: f"[{names[index]!r}]",
    )
    return node("polars.DataFrame", group((class_name("polars", value), value.height, columns)))


def _series(value: Any) -> Branch:
    return node(
        "polars.Series", group((class_name("polars", value), _column(value)), named("", ""))
    )


def _column(value: Any) -> Branch:
    return group((value.name, value.dtype, _content(value)))


def _content(value: Any) -> Any:
    valid = value.is_not_null().to_numpy() if value.null_count() else None
    dtype = value.dtype
    for is_such, parts in _CONTENTS:
        if is_such(dtype):
            return group((len(value), valid, *parts(value)))
    return group((len(value), listing(value.to_list())))


def _numbers(value: Any) -> tuple[Any, ...]:
    return (value.to_physical().fill_null(0).to_numpy(),)


def _booleans(value: Any) -> tuple[Any, ...]:
    return (value.fill_null(False).to_numpy(),)


def _texts(value: Any) -> tuple[Any, ...]:
    value = value.cast(pl.String).fill_null("")
    return value.str.len_bytes().to_numpy(), value.str.join("").item() if len(value) else ""


def _lists(value: Any) -> tuple[Any, ...]:
    if isinstance(value.dtype, pl.Array):
        value = value.arr.to_list()
    lengths = value.list.len().fill_null(0)
    return lengths.to_numpy(), _content(value.filter(lengths > 0).explode())


def _struct(value: Any) -> tuple[Any, ...]:
    return tuple(_content(field) for field in value.struct.unnest().get_columns())


def _is_number(dtype: Any) -> bool:
    temporal = (pl.Date, pl.Datetime, pl.Duration, pl.Time)
    wide = ("Int128", "UInt128", "Float16")
    plain = (dtype.is_integer() or dtype.is_float()) and str(dtype) not in wide
    return plain or isinstance(dtype, temporal)


_CONTENTS: tuple[tuple[Any, Any], ...] = (
    (_is_number, _numbers),
    (lambda t: isinstance(t, pl.Boolean), _booleans),
    (lambda t: isinstance(t, pl.String | pl.Categorical | pl.Enum), _texts),
    (lambda t: isinstance(t, pl.List | pl.Array), _lists),
    (lambda t: isinstance(t, pl.Struct), _struct),
)


def _dtype(value: Any) -> Made:
    return kind("polars.dtype", _dtype_parts(value))


def _dtype_parts(value: Any) -> Any:
    name = type(value).__name__
    if isinstance(value, pl.Struct):
        return group((name, [(field.name, field.dtype) for field in value.fields]))
    if isinstance(value, pl.List | pl.Array):
        return group((name, value.inner, getattr(value, "shape", None)))
    if isinstance(value, pl.Enum):
        return group((name, value.categories.to_list()))
    if isinstance(value, pl.Categorical):
        return name
    return str(value)


LIBRARY = Library(
    "polars",
    (
        (pl.DataFrame, _frame),
        (pl.Series, _series),
        (pl.DataType, _dtype),
    ),
    nodes=(pl.DataFrame, pl.Series),
)
