"""Arrow's arrays and tables, and Polars' through them, for the safe codec.

Arrays are taken apart into their buffers, rather than written as an IPC stream: that may hold
compressed buffers of any claimed size, and extension types that run code of their own. Each is
checked by Arrow's own full validation before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

from fleche_like.codecs.safe import Json, Reader, Writer, tagged
from fleche_like.errors import EncodeError

_SIMPLE: Final = {
    str(kind): kind
    for kind in (
        *(pa.null(), pa.bool_()),
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float16(), pa.float32(), pa.float64()),
        *(pa.string(), pa.large_string(), pa.binary(), pa.large_binary()),
        *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us")),
        *(pa.time64("ns"), *(pa.duration(unit) for unit in ("s", "ms", "us", "ns"))),
    )
}
_MOST_NULLS: Final = 1 << 31


def encoder_of(kind: type) -> Callable[[Any, Writer], Json] | None:
    """Return what encodes the values of exactly this class, if anything does."""
    if kind.__module__.partition(".")[0] == "polars":
        return {"DataFrame": _encode_polars, "Series": _encode_series}.get(kind.__name__)
    if issubclass(kind, pa.Array):
        return _encode_array
    return {
        pa.ChunkedArray: _encode_chunks,
        pa.RecordBatch: _encode_batch,
        pa.Table: _encode_table,
    }.get(kind)


def decoder_of(tag: str) -> Callable[[Json, Reader], Any] | None:
    """Return what decodes a tag."""
    return _DECODERS.get(tag)


# --- types ---


def _encode_type(kind: Any) -> Json:
    if _SIMPLE.get(str(kind)) == kind:
        return str(kind)
    if pa.types.is_timestamp(kind):
        return ["timestamp", kind.unit, kind.tz]
    if pa.types.is_decimal128(kind):
        return ["decimal", kind.precision, kind.scale]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        form, field = "list" if pa.types.is_list(kind) else "large_list", kind.value_field
        return [form, field.name, field.nullable, _encode_type(field.type)]
    if pa.types.is_struct(kind):
        return ["struct", *([f.name, f.nullable, _encode_type(f.type)] for f in kind)]
    if pa.types.is_dictionary(kind):
        inside = _encode_type(kind.index_type), _encode_type(kind.value_type)
        return ["dictionary", *inside, kind.ordered]
    raise EncodeError(f"the safe codec cannot hold Arrow's {kind}", kind="pyarrow.DataType")


def _decode_type(node: Json, depth: int = 0) -> Any:
    if depth > 16:
        raise ValueError("a type nested too deeply")
    if type(node) is str:
        return _SIMPLE[node]
    match node:
        case ["timestamp", str() as unit, str() | None as zone]:
            return pa.timestamp(unit, zone)
        case ["decimal", int() as precision, int() as scale]:
            return pa.decimal128(precision, scale)
        case ["list" | "large_list" as form, str() as name, bool() as nullable, inside]:
            field = pa.field(name, _decode_type(inside, depth + 1), nullable)
            return pa.list_(field) if form == "list" else pa.large_list(field)
        case ["struct", *fields]:
            return pa.struct([_decode_field(field, depth + 1) for field in fields])
        case ["dictionary", index, inside, bool() as ordered]:
            kinds = _decode_type(index, depth + 1), _decode_type(inside, depth + 1)
            return pa.dictionary(*kinds, ordered)
    raise ValueError("malformed type")


def _decode_field(node: Json, depth: int = 0) -> Any:
    name, nullable, kind = node
    return pa.field(name, _decode_type(kind, depth), nullable is True)


# --- arrays ---


def _encode_array(value: Any, writer: Writer) -> Json:
    return tagged("pyarrow:array", t=_encode_type(value.type), a=_encode_data(value, writer))


def _decode_array(node: Json, reader: Reader) -> Any:
    return _decode_data(node["a"], _decode_type(node["t"]), reader)


def _encode_data(value: Any, writer: Writer) -> Json:
    value = _compact(value)
    if pa.types.is_dictionary(value.type):
        return [_encode_data(value.indices, writer), _encode_data(value.dictionary, writer)]
    own = value.buffers()[: value.type.num_buffers]
    sizes = [None if buffer is None else _block(buffer, writer) for buffer in own]
    children = [_encode_data(child, writer) for child in _children(value)]
    return [len(value), sizes, *children]


def _compact(value: Any) -> Any:
    """Return an array that begins at the beginning of its buffers, and has no more than those."""
    held = sum(buffer.size for buffer in value.buffers() if buffer is not None)
    if value.offset or held > 2 * value.nbytes + 1024:
        return pa.concat_arrays([value, value.slice(0, 0)])
    return value


def _block(buffer: Any, writer: Writer) -> int:
    return writer.block(memoryview(buffer).cast("B"))


def _children(value: Any) -> list[Any]:
    if pa.types.is_struct(value.type):
        return [value.field(place) for place in range(value.type.num_fields)]
    if pa.types.is_list(value.type) or pa.types.is_large_list(value.type):
        return [value.values]
    return []


def _decode_data(node: Json, kind: Any, reader: Reader) -> Any:
    if pa.types.is_dictionary(kind):
        indices = _decode_data(node[0], kind.index_type, reader)
        values = _decode_data(node[1], kind.value_type, reader)
        return pa.DictionaryArray.from_arrays(indices, values, ordered=kind.ordered)
    length, sizes, *children = node
    if type(length) is not int or not 0 <= length < _MOST_NULLS or len(sizes) != kind.num_buffers:
        raise ValueError("malformed array")
    own = [None if size is None else pa.py_buffer(reader.block(size)) for size in sizes]
    if own[0] is not None and own[0].size * 8 < length:
        raise ValueError("a bitmap that is too short")
    kinds = [kind.field(place).type for place in range(kind.num_fields)]
    if len(kinds) != len(children):
        raise ValueError("malformed array")
    inside = [_decode_data(*pair, reader) for pair in zip(children, kinds, strict=True)]
    made = pa.Array.from_buffers(kind, length, own, children=inside or None)
    made.validate(full=True)
    return made


# --- tables ---


def _encode_chunks(value: Any, writer: Writer) -> Json:
    chunks = [_encode_data(chunk, writer) for chunk in value.chunks]
    return tagged("pyarrow:chunks", t=_encode_type(value.type), c=chunks)


def _decode_chunks(node: Json, reader: Reader) -> Any:
    kind = _decode_type(node["t"])
    return pa.chunked_array([_decode_data(chunk, kind, reader) for chunk in node["c"]], kind)


def _encode_batch(value: Any, writer: Writer) -> Json:
    return tagged("pyarrow:batch", t=_encode_table(pa.Table.from_batches([value]), writer))


def _decode_batch(node: Json, reader: Reader) -> Any:
    table = _decode_table(node["t"], reader)
    columns = [column.combine_chunks() for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)


def _encode_table(value: Any, writer: Writer) -> Json:
    writer.doubtful = True  # metadata of fields is not written
    fields = [[f.name, f.nullable, _encode_type(f.type)] for f in value.schema]
    metadata = value.schema.metadata
    columns = [[_encode_data(chunk, writer) for chunk in column.chunks] for column in value.columns]
    return tagged("pyarrow:table", f=fields, m=writer.node(metadata), c=columns)


def _decode_table(node: Json, reader: Reader) -> Any:
    fields = [_decode_field(field) for field in node["f"]]
    columns = [
        pa.chunked_array([_decode_data(chunk, field.type, reader) for chunk in chunks], field.type)
        for field, chunks in zip(fields, node["c"], strict=True)
    ]
    made = pa.table(columns, schema=pa.schema(fields, reader.value(node["m"])))
    made.validate(full=True)
    return made


# --- Polars ---


def _encode_polars(value: Any, writer: Writer) -> Json:
    import polars as pl

    writer.doubtful = True
    table = value.to_arrow(compat_level=pl.CompatLevel.oldest())
    return tagged("polars:frame", t=_encode_table(table, writer))


def _decode_polars(node: Json, reader: Reader) -> Any:
    import polars as pl

    return pl.from_arrow(_decode_table(node["t"], reader))


def _encode_series(value: Any, writer: Writer) -> Json:
    return tagged("polars:series", t=_encode_polars(value.to_frame(), writer))


def _decode_series(node: Json, reader: Reader) -> Any:
    return _decode_polars(node["t"], reader).to_series()


_DECODERS: Final[dict[str, Callable[[Json, Reader], Any]]] = {
    "pyarrow:array": _decode_array,
    "pyarrow:chunks": _decode_chunks,
    "pyarrow:batch": _decode_batch,
    "pyarrow:table": _decode_table,
    "polars:frame": _decode_polars,
    "polars:series": _decode_series,
}
