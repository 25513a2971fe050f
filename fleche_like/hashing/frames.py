"""pandas: frames, series, indexes and extension arrays are nodes; scalars are inline.

A frame is its columns one by one, so that neither blocks nor their layout matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fleche_like.hashing import tags
from fleche_like.hashing.branch import (
    Branch,
    Handler,
    Label,
    Made,
    group,
    hidden,
    item,
    kind,
    listing,
    named,
    node,
)
from fleche_like.hashing.library import Library, class_name, is_of


def _frame(value: Any) -> Branch:
    names = [_axis_name(name) for name in value.columns]
    columns = [value.iloc[:, i].array for i in range(value.shape[1])]
    content = Branch(
        tags.LIST + tags.length(len(columns)),
        [_array(column) for column in columns],
        label=lambda index, _children: f"[{names[index]}]",
    )
    labels = named("", ".columns", ".index", "", ".attrs", "")
    flags = value.flags.allows_duplicate_labels
    parts = (class_name("pandas", value), value.columns, value.index, content, value.attrs, flags)
    return node("pandas.DataFrame", group((*parts, *_metadata(value)), labels))


def _metadata(value: Any) -> tuple[Any, ...]:
    """Return what a subclass declares as handed on to the results of operations."""
    names = [name for name in value._metadata if name not in ("_name", "name")]
    if is_of("pandas", type(value)) or not names:
        return ()
    return ({name: getattr(value, name, None) for name in names},)


def _axis_name(name: Any) -> str:
    return repr(name) if type(name) in tags.SCALARS else f"<{type(name).__name__}>"


def _series(value: Any) -> Branch:
    labels = named("", ".name", ".index", ".values", ".attrs", "")
    flags = value.flags.allows_duplicate_labels
    content = _array(value.array)
    parts = (class_name("pandas", value), value.name, value.index, content, value.attrs, flags)
    return node("pandas.Series", group((*parts, *_metadata(value)), labels))


def _index(value: Any) -> Branch:
    if isinstance(value, pd.RangeIndex):
        content: Any = (value.start, value.stop, value.step)
    elif isinstance(value, pd.MultiIndex):
        content = [_array(value.get_level_values(i).array) for i in range(value.nlevels)]
        content = Branch(tags.LIST + tags.length(len(content)), content, label=item)
    else:
        content = _array(value.array)
    frequency = getattr(value, "freqstr", None)
    return node(
        "pandas.Index", group((class_name("pandas", value), tuple(value.names), content, frequency))
    )


def _array(value: Any) -> Any:
    """Return what stands for an array: NumPy's own where pandas merely wraps one."""
    # Not a subclass: arrays of strings are built on it, with a dtype of their own.
    if type(value) is pd.arrays.NumpyExtensionArray:
        plain = value.to_numpy()
        return plain if plain.dtype.kind != "O" else _strings(plain)
    return value


def _strings(values: Any) -> Any:
    """An object column as a list of its elements, under a node of its own."""
    return node("pandas.objects", listing(values.tolist()))


def _extension(value: Any) -> Branch:
    if type(value) is pd.arrays.NumpyExtensionArray:
        return node("pandas.numpy", group((_array(value),)))
    for known, parts in _EXTENSIONS:
        if isinstance(value, known):
            content = parts(value)
            break
    else:
        content = list(value)
    return node("pandas.array", group((class_name("pandas", value), str(value.dtype), content)))


def _nullable(value: Any) -> Any:
    """What lies under the mask is left over from computing, not part of the value."""
    mask = np.asarray(value._mask)
    data = value._data
    if mask.any():
        data = data.copy()
        data[mask] = data.dtype.type(0)
    return group((data, mask))


def _categorical(value: Any) -> Any:
    return group((value.codes, value.categories, value.ordered))


def _moments(value: Any) -> Any:
    return group((value.asi8, getattr(value, "freqstr", None)))


def _interval(value: Any) -> Any:
    return group((value.left, value.right, value.closed))


def _sparse(value: Any) -> Any:
    where = value.sp_index.to_int_index().indices
    return group((len(value), value.sp_values, where, value.fill_value, value.kind))


def _text(value: Any) -> Any:
    """Strings, who holds them (Python or Arrow), and what is missing among them."""
    dtype = value.dtype
    missing = "NA" if dtype.na_value is pd.NA else "NaN"
    return group((dtype.storage, missing, _texts(value)))


def _texts(value: Any) -> Any:
    if value.dtype.storage == "pyarrow":
        # Either width of offsets is in use, by the version of pandas.
        return value.__arrow_array__().cast("large_string")
    return listing(value.to_numpy(dtype=object, na_value=None).tolist())


_EXTENSIONS: tuple[tuple[Any, Any], ...] = (
    (pd.Categorical, _categorical),
    (pd.arrays.DatetimeArray, _moments),
    (pd.arrays.TimedeltaArray, _moments),
    (pd.arrays.PeriodArray, _moments),
    (pd.arrays.IntervalArray, _interval),
    (pd.arrays.SparseArray, _sparse),
    (pd.arrays.StringArray, _text),
    (pd.arrays.ArrowStringArray, _text),
    (pd.arrays.ArrowExtensionArray, lambda value: value.__arrow_array__()),
    ((pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray), _nullable),
)


def _timestamp(value: Any) -> Made:
    zone = value.tzinfo
    parts = (class_name("pandas", value), value.unit, value._value, value.fold, zone)
    return kind("pandas.Timestamp", group(parts, named("", "", "", "", ".tzinfo")))


def _simple(name: str, *fields: str, label: Label = hidden) -> Handler:
    def handle(value: Any) -> Made:
        parts = tuple(getattr(value, field) for field in fields)
        return kind(f"pandas.{name}", group((class_name("pandas", value), *parts), label))

    return handle


def _dtype(value: Any) -> Made:
    if isinstance(value, pd.CategoricalDtype):
        return kind("pandas.dtype", group(("category", value.categories, value.ordered)))
    return kind("pandas.dtype", (class_name("pandas", value), str(value)))


LIBRARY = Library(
    "pandas",
    (
        (pd.DataFrame, _frame),
        (pd.Series, _series),
        (pd.Index, _index),
        (pd.api.extensions.ExtensionArray, _extension),
        (pd.Timestamp, _timestamp),
        (pd.Timedelta, _simple("Timedelta", "unit", "_value")),
        (pd.Period, _simple("Period", "ordinal", "freqstr")),
        (pd.Interval, _simple("Interval", "left", "right", "closed")),
        (pd.api.extensions.ExtensionDtype, _dtype),
        (type(pd.NA), lambda _value: kind("pandas.NA", None)),
        (type(pd.NaT), lambda _value: kind("pandas.NaT", None)),
    ),
    nodes=(pd.DataFrame, pd.Series, pd.Index, pd.api.extensions.ExtensionArray),
)
