"""NumPy's arrays and scalars, for the safe codec: no objects, no subclasses.

A dtype is its ``str`` (one of a few kinds, so that no name is looked up), or a structure as
``[[name, dtype, offset, shape], …]`` with its size. An array has exactly the bytes that dtype and
shape ask for, before any memory is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fleche_like.codecs.safe import Json, Reader, Writer, tagged
from fleche_like.errors import EncodeError

_PLAIN: Final = re.compile(r"[<>|=][biufcSUV]\d{1,9}|[<>|=][mM]8(\[\d{0,9}[a-zA-Z]{1,2}\])?")
_KINDS: Final = frozenset("biufcmMSUV")


def encoder_of(kind: type) -> Callable[[Any, Writer], Json] | None:
    """Return what encodes the values of exactly this class, if anything does."""
    if kind is np.ndarray:
        return _encode_array
    if issubclass(kind, np.generic) and not issubclass(kind, np.object_):
        return _encode_scalar
    return None


def decoder_of(tag: str) -> Callable[[Json, Reader], Any] | None:
    """Return what decodes a tag."""
    return {"numpy:array": _decode_array, "numpy:scalar": _decode_scalar}.get(tag)


def _encode_array(value: np.ndarray[Any, Any], writer: Writer) -> Json:
    dtype = _encode_dtype(value.dtype, writer)
    reversed_ = value.flags.f_contiguous and not value.flags.c_contiguous
    flat = np.ascontiguousarray(value.T if reversed_ else value)
    size = writer.block(flat.reshape(-1).view(np.uint8).data if value.nbytes else b"")
    return tagged("numpy:array", d=dtype, s=[*value.shape], f=reversed_, n=size)


def _encode_scalar(value: np.generic, writer: Writer) -> Json:
    dtype = _encode_dtype(value.dtype, writer)
    return tagged("numpy:scalar", d=dtype, n=writer.block(value.tobytes()))


def _encode_dtype(dtype: np.dtype[Any], writer: Writer) -> Json:
    if dtype.names is not None and type(dtype) is type(np.dtype("V1")):
        writer.doubtful = True  # alignment and titles, say, are not written
        fields = [
            [name, *_encode_field(dtype.fields[name][0], writer), int(dtype.fields[name][1])]
            for name in dtype.names
            if dtype.fields is not None
        ]
        return {"fields": fields, "size": dtype.itemsize, "align": dtype.isalignedstruct}
    if dtype.kind not in _KINDS or not _PLAIN.fullmatch(dtype.str) or not dtype.itemsize:
        raise EncodeError(f"the safe codec cannot hold a dtype of {dtype}", kind="numpy.dtype")
    if np.dtype(dtype.str) != dtype or dtype.metadata:
        raise EncodeError(f"the safe codec cannot hold a dtype of {dtype}", kind="numpy.dtype")
    return dtype.str


def _encode_field(dtype: np.dtype[Any], writer: Writer) -> tuple[Json, list[int]]:
    base = dtype if dtype.subdtype is None else dtype.subdtype[0]
    return _encode_dtype(base, writer), [*dtype.shape]


def _decode_dtype(node: Json, depth: int = 0) -> np.dtype[Any]:
    if type(node) is str and _PLAIN.fullmatch(node):
        dtype: np.dtype[Any] = np.dtype(node)
    elif type(node) is dict and depth < 8:
        dtype = _decode_structure(node, depth)
    else:
        raise ValueError("malformed dtype")
    if not dtype.itemsize or dtype.hasobject:
        raise ValueError("a dtype without size")
    return dtype


def _decode_structure(node: Json, depth: int) -> np.dtype[Any]:
    names, formats, offsets = [], [], []
    for name, kind, shape, offset in node["fields"]:
        names.append(name)
        formats.append((_decode_dtype(kind, depth + 1), _decode_shape(shape)))
        offsets.append(offset)
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": node["size"]},
        align=node["align"] is True,
    )


def _decode_shape(node: Json) -> tuple[int, ...]:
    if type(node) is not list or not all(type(n) is int and 0 <= n < 1 << 62 for n in node):
        raise ValueError("malformed shape")
    return tuple(node)


def _decode_array(node: Json, reader: Reader) -> np.ndarray[Any, Any]:
    dtype, shape = _decode_dtype(node["d"]), _decode_shape(node["s"])
    if math.prod(shape) * dtype.itemsize != node["n"]:
        raise ValueError("an array has other bytes than its shape asks for")
    block = reader.block(node["n"])
    if node["f"]:
        return np.ndarray(shape[::-1], dtype, block if node["n"] else None).T
    return np.ndarray(shape, dtype, block if node["n"] else None)


def _decode_scalar(node: Json, reader: Reader) -> Any:
    dtype = _decode_dtype(node["d"])
    if dtype.itemsize != node["n"]:
        raise ValueError("a scalar has other bytes than its dtype asks for")
    return np.ndarray((), dtype, reader.block(node["n"]))[()]
