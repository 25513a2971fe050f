"""Apache Arrow: arrays, tables and their kin are nodes; types, fields and scalars are inline.

What is hashed is what the columns hold, whatever the chunks, offsets and the bytes under nulls are:
lengths instead of offsets, zeros under nulls, a validity only where something is null, and
dictionaries unified over the chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleche_like.hashing import tags
from fleche_like.hashing.branch import Branch, Made, group, kind, named, node
from fleche_like.hashing.library import Library


def _array(value: Any) -> Branch:
    return node("arrow.array", group((_class(value), value.type, _content(_whole(value)))))


def _class(value: Any) -> str:
    return "ChunkedArray" if isinstance(value, pa.ChunkedArray) else "Array"


def _whole(value: Any) -> Any:
    if isinstance(value, pa.ChunkedArray):
        return value.chunk(0) if value.num_chunks == 1 else value.combine_chunks()
    return value


def _table(value: Any) -> Branch:
    names = value.schema.names
    columns = Branch(
        tags.LIST + tags.length(value.num_columns),
        [group((_content(_whole(column)),)) for column in value.columns],
        label=lambda index, _children: f"[{names[index]!r}]",
    )
    parts = (type(value).__name__, value.schema, value.num_rows, columns)
    return node("arrow.table", group(parts))


def _content(value: Any) -> Any:
    """Return what stands for the elements of one array in one piece."""
    for is_such, parts in _CONTENTS:
        if is_such(value.type):
            return group((len(value), _validity(value), *parts(value)))
    return group((len(value), value.to_pylist()))


def _validity(value: Any) -> Any:
    return _numpy(value.is_valid()) if value.null_count else None


def _numpy(value: Any) -> Any:
    return value.to_numpy(zero_copy_only=False)


def _fixed_width(value: Any) -> tuple[Any, ...]:
    width = value.type.bit_width // 8
    buffer = value.buffers()[1]
    if buffer is None or not len(value):
        return (b"",)
    raw = np.frombuffer(buffer, np.uint8)[value.offset * width :][: len(value) * width]
    raw = raw.reshape(-1, width)
    if value.null_count:
        raw = raw.copy()
        raw[_numpy(value.is_null())] = 0
    return (raw,)


def _boolean(value: Any) -> tuple[Any, ...]:
    return (_numpy(pc.fill_null(value, False)),)


def _binary(value: Any) -> tuple[Any, ...]:
    text = pa.types.is_string(value.type) or pa.types.is_large_string(value.type)
    if not text and str(value.type) == "string_view":
        text = True
    large = value.cast(pa.large_string() if text else pa.large_binary())
    offsets = np.frombuffer(large.buffers()[1], "<i8") if len(large) else np.zeros(1, "<i8")
    offsets = offsets[large.offset :][: len(large) + 1]
    lengths = np.diff(offsets)
    if value.null_count:
        null = _numpy(large.is_null())
        # Bytes under a null are left over from computing.
        if lengths[null].any():
            large = pc.fill_null(large, "" if text else b"")
            return _binary(large)
    data = large.buffers()[2]
    held = b"" if data is None else np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return lengths, np.frombuffer(held, np.uint8)


def _lists(value: Any) -> tuple[Any, ...]:
    lengths = _numpy(pc.fill_null(pc.list_value_length(value), 0))
    return lengths.astype("<i8"), _content(_whole(value.flatten()))


def _map(value: Any) -> tuple[Any, ...]:
    as_lists = value.cast(
        pa.list_(pa.struct([("key", value.type.key_type), ("value", value.type.item_type)]))
    )
    return _lists(as_lists)


def _struct(value: Any) -> tuple[Any, ...]:
    return tuple(_content(_whole(field)) for field in value.flatten())


def _dictionary(value: Any) -> tuple[Any, ...]:
    return _content(value.indices), _content(value.dictionary)


def _extension(value: Any) -> tuple[Any, ...]:
    return (_content(value.storage),)


def _runs(value: Any) -> tuple[Any, ...]:
    return (_content(pc.run_end_decode(value)),)


_t = pa.types
_CONTENTS: tuple[tuple[Any, Any], ...] = (
    (lambda t: isinstance(t, pa.BaseExtensionType), _extension),
    (_t.is_boolean, _boolean),
    (_t.is_null, lambda _value: ()),
    (_t.is_dictionary, _dictionary),
    (_t.is_run_end_encoded, _runs),
    (_t.is_struct, _struct),
    (_t.is_map, _map),
    (lambda t: _t.is_list(t) or _t.is_large_list(t) or _t.is_fixed_size_list(t), _lists),
    (lambda t: _t.is_primitive(t) or _t.is_decimal(t) or _t.is_fixed_size_binary(t), _fixed_width),
    (
        lambda t: (
            str(t)
            in ("string", "binary", "large_string", "large_binary", "string_view", "binary_view")
        ),
        _binary,
    ),
)


def _type(value: Any) -> Made:
    return kind("arrow.type", _type_parts(value))


def _type_parts(value: Any) -> Any:
    """Return the parts of a type; text alone would not tell odd names of fields apart."""
    if isinstance(value, pa.BaseExtensionType):
        serialised = getattr(value, "__arrow_ext_serialize__", lambda: str(value).encode())()
        return group((value.extension_name, value.storage_type, serialised))
    if _t.is_dictionary(value):
        return group(("dictionary", value.index_type, value.value_type, value.ordered))
    if value.num_fields:
        fields = [value.field(i) for i in range(value.num_fields)]
        width = value.list_size if _t.is_fixed_size_list(value) else None
        head = str(value).partition("<")[0]
        return group((head, width, getattr(value, "type_codes", None), fields))
    return str(value)


def _field(value: Any) -> Made:
    parts = (value.name, value.type, value.nullable, value.metadata)
    return kind("arrow.field", group(parts, named("", ".type", "", ".metadata")))


def _schema(value: Any) -> Made:
    return kind("arrow.schema", group(([*value], value.metadata)))


def _scalar(value: Any) -> Made:
    return kind("arrow.scalar", group((_array(pa.array([value], type=value.type)),)))


def _tensor(value: Any) -> Branch:
    return node("arrow.tensor", group((value.to_numpy(), value.dim_names)))


LIBRARY = Library(
    "pyarrow",
    (
        (pa.Array, _array),
        (pa.ChunkedArray, _array),
        (pa.RecordBatch, _table),
        (pa.Table, _table),
        (pa.Tensor, _tensor),
        (pa.Scalar, _scalar),
        (pa.DataType, _type),
        (pa.Field, _field),
        (pa.Schema, _schema),
        (pa.Buffer, lambda value: kind("arrow.buffer", value.to_pybytes())),
    ),
    nodes=(pa.Array, pa.ChunkedArray, pa.RecordBatch, pa.Table, pa.Tensor),
)
