"""NumPy: arrays are nodes, hashed in place where they are contiguous; scalars are inline.

An array's preimage is the kind, ``(dtype, shape)``, and then its elements in C order as they lie in
the memory of a little-endian machine, where a native array is spelt ``<f8`` and one of swapped
bytes ``>f8``; a big-endian machine swaps spelling and bytes, so that native arrays agree. Memory
maps count as plain arrays; other subclasses carry their name.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from xxhash import xxh3_128

from fleche_like.hashing import bulk, encoder, layout, tags
from fleche_like.hashing.branch import Branch, Made, group, kind, listing, node, refuse
from fleche_like.hashing.instances import extra_state
from fleche_like.hashing.library import Library, is_of, own_attributes
from fleche_like.hashing.names import object_head, type_names

_BIG_ENDIAN = sys.byteorder == "big"
_SWAPPED = {"<": ">", ">": "<", "|": "|", "=": "="}
_X87_DIGITS = 63
_X87_BYTES = 10


def array(value: Any) -> Made:
    """Return the node of an array, whatever its memory layout."""
    cls = type(value)
    if cls is np.ndarray:
        return _plain(value)
    if cls is np.memmap:
        return _plain(value.view(np.ndarray))
    return _masked(value) if issubclass(cls, np.ma.MaskedArray) else _subclass(value)


def _plain(value: Any) -> Made:
    dtype = value.dtype
    if dtype.kind in _SIMPLE_KINDS and not dtype.hasobject:
        header = (spelling(dtype), tuple(value.shape))
        return tags.NODE + _hash_raw(header, value)
    if dtype.kind in "gGfc":
        return _extended(value)
    if dtype.names is not None:
        return _structured(value)
    if dtype.subdtype is None and dtype.kind in "OT":
        return _objects(value)
    header = (_dtype(dtype), tuple(value.shape))
    return tags.NODE + _hash_raw(header, value)


# Kinds whose memory holds nothing but the value; floats only up to 64 bits, see below.
_SIMPLE_KINDS = "biuSUmM"


def _extended(value: Any) -> Made:
    """Floats; of an 80-bit float only ten of its sixteen bytes are the number."""
    size = value.dtype.itemsize // (2 if value.dtype.kind == "c" else 1)
    if size <= 8 or np.finfo(value.dtype).nmant != _X87_DIGITS:
        return tags.NODE + _hash_raw((spelling(value.dtype), tuple(value.shape)), value)
    raw = np.ascontiguousarray(value).view(np.uint8).reshape(-1, size)[:, :_X87_BYTES]
    header = (spelling(value.dtype), tuple(value.shape))
    return tags.NODE + _hash_raw(header, raw)


def _structured(value: Any) -> Branch:
    """Field by field, for the padding in between is not part of the value."""
    dtype = value.dtype
    fields = [value[name] for name in dtype.names]
    return node("numpy.structured", group((_dtype(dtype), tuple(value.shape), fields)))


def _objects(value: Any) -> Branch:
    items = value.ravel(order="C").tolist() if value.dtype.kind == "O" else value.ravel().tolist()
    parts = (_dtype(value.dtype), tuple(value.shape), listing(items))
    return node("numpy.objects", group(parts))


# What a masked array keeps in attributes besides notes of its user.
_MASKED = frozenset(
    (
        "_mask", "_data", "_fill_value", "_sharedmask", "_hardmask", "_isfield", "_baseclass",
        "_basedict", "_optinfo", "_fieldmask",
    )
)  # fmt: skip


def _masked(value: Any) -> Made:
    if value is np.ma.masked:
        return kind("numpy.ma.masked", None)
    notes = getattr(value, "_optinfo", None)
    parts = (
        type_names(type(value)),
        np.ma.getdata(value).view(np.ndarray),
        np.ma.getmaskarray(value),
        np.asarray(value.fill_value),
        bool(value.hardmask),
        *own_attributes("numpy", value, _MASKED),
        *((notes,) if notes else ()),
    )
    return node("numpy.masked", group(parts))


def _subclass(value: Any) -> Branch:
    cls = type(value)
    names = ("numpy", cls.__qualname__) if is_of("numpy", cls) else type_names(cls)
    state = getattr(value, "__dict__", None) or None
    return node("numpy.subclass", group((names, value.view(np.ndarray), state)))


def _hash_raw(header: Any, value: Any) -> bytes:
    state = xxh3_128(_ARRAY_HEAD + encoder.encode(header))
    for block in layout.blocks(value):
        # Datetimes and fields refuse to export a buffer; their bytes do not.
        state.update(_portable(block).reshape(-1).view(np.uint8) if block.size else b"")
    return state.digest()


def _portable(value: Any) -> Any:
    """Return elements as a little-endian machine holds them."""
    return value.byteswap() if _BIG_ENDIAN else value


def spelling(dtype: Any) -> str:
    """Return NumPy's code of a simple dtype; ``<`` is native and ``>`` swapped on every machine."""
    code = str(dtype.str)
    return _SWAPPED[code[0]] + code[1:] if _BIG_ENDIAN else code


_ARRAY_HEAD = tags.PREIMAGE + bulk.scalar("numpy.ndarray")


def _dtype(dtype: Any) -> Any:
    """Return what identifies a dtype: text for simple ones, nested tuples for the others."""
    if dtype.names is not None:
        fields = tuple(
            (name, _dtype(dtype.fields[name][0]), dtype.fields[name][1], _title(dtype, name))
            for name in dtype.names
        )
        return ("fields", fields, dtype.itemsize, dtype.isalignedstruct)
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return ("shaped", _dtype(base), tuple(shape))
    if dtype.kind == "T":
        return ("string", group((dtype.coerce, getattr(dtype, "na_object", None))))
    return spelling(dtype)


def _title(dtype: Any, name: str) -> Any:
    field = dtype.fields[name]
    return field[2] if len(field) > 2 else None


def _scalar(value: Any) -> Made:
    """A NumPy scalar: its dtype and bytes, inline, as numbers are."""
    dtype = value.dtype
    if dtype.kind in "US":
        content: Any = str.__str__(value) if dtype.kind == "U" else bytes(value)
    elif dtype.kind in "VO" or dtype.itemsize > 16 or dtype.char in "gG":
        content = np.asarray(value)
    else:
        content = _portable(value).tobytes()
    head = object_head(type(value)) if type(value).__module__ != "numpy" else None
    token = spelling(dtype) if dtype.kind not in "US" else dtype.kind
    if head is None:
        return kind("numpy.scalar", (token if dtype.names is None else "V", content))
    return Branch(head, (group((token, content, extra_state(value))),))


def _bit_generator(value: Any) -> Made:
    """A bit generator: its state, and the seed sequence that it would spawn others from."""
    seeds = getattr(value, "seed_seq", None)
    content = seeds if isinstance(seeds, np.random.SeedSequence) else None
    parts = (type(value).__qualname__, value.state, content)
    return kind("numpy.random.BitGenerator", group(parts))


def _seed_sequence(value: Any) -> Made:
    parts = (value.entropy, value.spawn_key, value.pool_size, value.n_children_spawned)
    return kind("numpy.random.SeedSequence", group(parts))


def _ufunc(value: Any) -> Made:
    """A universal function, by its name and the library that has it under that name."""
    name = value.__name__
    if getattr(np, name, None) is value:
        return kind("numpy.ufunc", name)
    special = sys.modules.get("scipy.special")
    if getattr(special, name, None) is value:
        return kind("numpy.ufunc", ("scipy.special", name))
    return refuse("is known to neither NumPy nor SciPy; pass the function that it was made from")


def _generator(value: Any) -> Made:
    return kind("numpy.random.Generator", group((value.bit_generator,)))


def _random_state(value: Any) -> Made:
    return kind("numpy.random.RandomState", value.get_state(legacy=False))


LIBRARY = Library(
    "numpy",
    (
        (np.ndarray, array),
        (np.generic, _scalar),
        (np.dtype, lambda value: kind("numpy.dtype", _dtype(value))),
        (np.ufunc, _ufunc),
        (np.random.SeedSequence, _seed_sequence),
        (np.random.BitGenerator, _bit_generator),
        (np.random.Generator, _generator),
        (np.random.RandomState, _random_state),
    ),
    nodes=(np.ndarray,),
)
