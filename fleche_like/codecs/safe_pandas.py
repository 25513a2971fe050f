"""pandas' frames, series, indexes and extension arrays, for the safe codec, column by column.

What pandas can do beyond this (periods, intervals, sparse columns, subclasses) is refused: a value
is written only if what comes back has its digest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from fleche_like.codecs.safe import Json, Reader, Writer, tagged
from fleche_like.errors import EncodeError

_MASKED: Final = {
    name: (array, getattr(pd, f"{name}Dtype")().numpy_dtype)
    for array, names in (
        (pd.arrays.IntegerArray, ("Int8", "Int16", "Int32", "Int64")),
        (pd.arrays.IntegerArray, ("UInt8", "UInt16", "UInt32", "UInt64")),
        (pd.arrays.FloatingArray, ("Float32", "Float64")),
    )
    for name in names
} | {"boolean": (pd.arrays.BooleanArray, np.dtype(bool))}
_LONGEST_STEP: Final = 40


def encoder_of(kind: type) -> Callable[[Any, Writer], Json] | None:
    """Return what encodes the values of exactly this class, if anything does."""
    if kind is pd.DataFrame:
        return _doubtful(_encode_frame)
    if kind is pd.Series:
        return _doubtful(_encode_series)
    if issubclass(kind, pd.Index):
        return _doubtful(_encode_index)
    if kind in (pd.Timestamp, pd.Timedelta):
        return _doubtful(_encode_moment)
    if kind in (type(pd.NaT), type(pd.NA)):
        return lambda value, _writer: tagged("pandas:none", v=str(value))
    return None


def decoder_of(tag: str) -> Callable[[Json, Reader], Any] | None:
    """Return what decodes a tag."""
    return _DECODERS.get(tag)


def _doubtful(encode: Callable[[Any, Writer], Json]) -> Callable[[Any, Writer], Json]:
    def doubtful(value: Any, writer: Writer) -> Json:
        writer.doubtful = True
        return encode(value, writer)

    return doubtful


def _refuse(value: Any) -> EncodeError:
    kind = f"pandas.{getattr(value, 'dtype', type(value).__qualname__)}"
    return EncodeError(f"the safe codec cannot hold {kind}", kind=kind)


# --- tables ---


def _encode_frame(value: Any, writer: Writer) -> Json:
    return tagged(
        "pandas:frame",
        c=_encode_index(value.columns, writer),
        i=_encode_index(value.index, writer),
        d=[_encode_values(value.iloc[:, at].array, writer) for at in range(value.shape[1])],
        **_encode_rest(value, writer),
    )


def _decode_frame(node: Json, reader: Reader) -> Any:
    columns, index = (_decode_index(node[axis], reader) for axis in "ci")
    data = [_decode_values(column, reader) for column in node["d"]]
    if len(data) != len(columns):
        raise ValueError("as many columns as names are needed")
    made = pd.DataFrame(dict(enumerate(data)), index=index, copy=False)
    made.columns = columns
    return _decode_rest(made, node, reader)


def _encode_series(value: Any, writer: Writer) -> Json:
    return tagged(
        "pandas:series",
        n=writer.node(value.name),
        i=_encode_index(value.index, writer),
        d=_encode_values(value.array, writer),
        **_encode_rest(value, writer),
    )


def _decode_series(node: Json, reader: Reader) -> Any:
    name, index = reader.value(node["n"]), _decode_index(node["i"], reader)
    made = pd.Series(_decode_values(node["d"], reader), index=index, name=name, copy=False)
    return _decode_rest(made, node, reader)


def _encode_rest(value: Any, writer: Writer) -> dict[str, Json]:
    return {"a": writer.node(value.attrs), "u": not value.flags.allows_duplicate_labels}


def _decode_rest(made: Any, node: Json, reader: Reader) -> Any:
    made.attrs = reader.value(node["a"])
    return made.set_flags(allows_duplicate_labels=False) if node["u"] is True else made


# --- indexes ---


def _encode_index(value: Any, writer: Writer) -> Json:
    if type(value) is pd.RangeIndex:
        numbers = [value.start, value.stop, value.step]
        return tagged("pandas:range", v=numbers, n=writer.node(value.name))
    if type(value) is pd.MultiIndex:
        levels = [_encode_index(level, writer) for level in value.levels]
        codes = [writer.node(np.asarray(code)) for code in value.codes]
        return tagged("pandas:levels", l=levels, c=codes, n=writer.items(list(value.names)))
    data, steps = _encode_values(value.array, writer), getattr(value, "freqstr", None)
    return tagged("pandas:index", d=data, n=writer.node(value.name), f=steps)


def _decode_index(node: Json, reader: Reader) -> Any:
    made = reader.value(node)
    if not isinstance(made, pd.Index):
        raise TypeError("no index where one is needed")
    return made


def _decode_range(node: Json, reader: Reader) -> Any:
    return pd.RangeIndex(*node["v"], name=reader.value(node["n"]))


def _decode_plain(node: Json, reader: Reader) -> Any:
    data = _decode_values(node["d"], reader)
    made: Any = pd.Index(data, dtype=data.dtype, copy=False, tupleize_cols=False)
    if node["f"] is not None:
        made.freq = str(node["f"])[:_LONGEST_STEP]
    return made.rename(reader.value(node["n"]))


def _decode_levels(node: Json, reader: Reader) -> Any:
    levels = [_decode_index(level, reader) for level in node["l"]]
    codes = [reader.value(code) for code in node["c"]]
    return pd.MultiIndex(levels, codes, names=reader.items(node["n"]), verify_integrity=True)


# --- columns ---


def _encode_values(value: Any, writer: Writer) -> Json:
    if isinstance(value, pd.arrays.NumpyExtensionArray):
        value = value.to_numpy()
    dtype = value.dtype
    if isinstance(dtype, np.dtype):
        plain = np.asarray(value)
        if dtype.hasobject:
            return ["objects", writer.items(list(plain))]
        return ["numpy", writer.node(plain)]
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _encode_index(dtype.categories, writer)
        return ["categories", categories, writer.node(np.asarray(value.codes)), bool(dtype.ordered)]
    if isinstance(dtype, pd.DatetimeTZDtype):
        zone = pd.Timestamp(0, tz=dtype.tz).to_pydatetime()
        return ["moments", dtype.unit, writer.node(zone), writer.node(value.asi8)]
    if isinstance(dtype, pd.StringDtype):
        is_missing = value.isna()
        texts = [None if gone else text for gone, text in zip(is_missing, value, strict=True)]
        return ["texts", dtype.storage, dtype.na_value is pd.NA, writer.items(texts)]
    if str(dtype) in _MASKED:
        return ["masked", str(dtype), writer.node(value._data), writer.node(value._mask)]
    raise _refuse(value)


def _decode_values(node: Json, reader: Reader) -> Any:
    match node:
        case ["objects", items]:
            values = reader.items(items)
            made = np.empty(len(values), object)
            made[:] = values
            return made
        case ["numpy", array]:
            return _array(reader.value(array))
        case ["categories", categories, codes, bool() as ordered]:
            dtype = pd.CategoricalDtype(_decode_index(categories, reader), ordered)
            return pd.Categorical.from_codes(_array(reader.value(codes)), dtype=dtype)
        case ["moments", str() as unit, zone, numbers]:
            tz = reader.value(zone).tzinfo
            numbers = _array(reader.value(numbers)).view(f"M8[{_unit(unit)}]")
            return pd.DatetimeIndex(numbers).tz_localize("UTC").tz_convert(tz).array
        case ["texts", "python" | "pyarrow" as storage, bool() as na, texts]:
            kind = pd.StringDtype(storage, na_value=pd.NA if na else np.nan)
            return pd.array(reader.items(texts), dtype=kind)
        case ["masked", str() as name, data, mask]:
            array, plain = _MASKED[name]
            found = _array(reader.value(data)), _array(reader.value(mask))
            if found[0].dtype != plain:
                raise ValueError("another dtype than the column's")
            return array(*found)
    raise ValueError("malformed column")


def _array(value: Any) -> np.ndarray[Any, Any]:
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise TypeError("no column where one is needed")
    return value


def _unit(unit: str) -> str:
    if unit not in ("s", "ms", "us", "ns"):
        raise ValueError("unknown unit")
    return unit


# --- scalars ---


def _encode_moment(value: Any, writer: Writer) -> Json:
    zone = getattr(value, "tzinfo", None)
    moment = None if zone is None else value.to_pydatetime(warn=False)
    number = int(value.asm8.astype("i8"))
    kind = type(value).__name__
    return tagged("pandas:moment", k=kind, u=value.unit, v=number, z=writer.node(moment))


def _decode_moment(node: Json, reader: Reader) -> Any:
    number = np.array(node["v"], "i8")
    if node["k"] == "Timedelta":
        return pd.Timedelta(number.view(f"m8[{_unit(node['u'])}]")[()])
    made = pd.Timestamp(number.view(f"M8[{_unit(node['u'])}]")[()])
    moment = reader.value(node["z"])
    return made if moment is None else made.tz_localize("UTC").tz_convert(moment.tzinfo)


def _decode_none(node: Json, _reader: Reader) -> Any:
    return {"NaT": pd.NaT, "<NA>": pd.NA}[node["v"]]


_DECODERS: Final[dict[str, Callable[[Json, Reader], Any]]] = {
    "pandas:frame": _decode_frame,
    "pandas:series": _decode_series,
    "pandas:range": _decode_range,
    "pandas:index": _decode_plain,
    "pandas:levels": _decode_levels,
    "pandas:moment": _decode_moment,
    "pandas:none": _decode_none,
}
