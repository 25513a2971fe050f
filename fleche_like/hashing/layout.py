"""The elements of a NumPy array in C order, whatever its layout, in little memory.

What lies in C order already is passed on in place. Anything else is copied slab by slab (a range of
the first axis) into one buffer that is used again and again. Where the axis that is contiguous in
memory is not the last one, a slab is transposed in two steps by way of a tile that fits the cache:
long runs are read into the tile, and short strides are walked only within it. A direct copy touches
a page of memory for each element (measured: 28 and 65 times the time of hashing for Fortran order
in two and three dimensions; by tiles 5 and 10).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

_SLAB_BYTES = 12 << 20
_SMALL_BYTES = 1 << 16
_TILE_BYTES = 256 << 10
_RUN_BYTES = 4096
_LINE_BYTES = 64


def blocks(value: Any) -> Iterator[Any]:
    """Yield an array's elements in C order: itself if it is contiguous, else bounded copies.

    A block is valid until the next one is asked for. At most 13 MB are allocated.
    """
    if value.flags.c_contiguous:
        yield value
    elif value.nbytes <= _SMALL_BYTES:
        yield value.copy("C")
    elif value[0].nbytes > _SLAB_BYTES:
        for part in value:
            yield from blocks(part)
    else:
        yield from _slabs(value)


def _slabs(value: Any) -> Iterator[Any]:
    rows = _rows(value)
    buffer = np.empty((rows, *value.shape[1:]), value.dtype)
    axis = _fast_axis(value)
    for start in range(0, len(value), rows):
        source = value[start : start + rows]
        target = buffer[: len(source)]
        if axis == value.ndim - 1:
            np.copyto(target, source)
        else:
            _transpose(np.moveaxis(target, axis, -1), np.moveaxis(source, axis, -1))
        yield target


def _rows(value: Any) -> int:
    """Return how many rows make a slab: whole cache lines where the first axis is contiguous."""
    rows = int(min(len(value), max(1, _SLAB_BYTES // value[0].nbytes)))
    line = max(1, _LINE_BYTES // int(value.itemsize))
    return rows - rows % line if rows > line else rows


def _fast_axis(value: Any) -> int:
    """Return the axis along which neighbours lie closest in memory; the last one if in doubt."""
    strides = [
        abs(s) if n > 1 else math.inf for s, n in zip(value.strides, value.shape, strict=True)
    ]
    return min(reversed(range(value.ndim)), key=strides.__getitem__)


def _transpose(target: Any, source: Any) -> None:
    """Copy ``source``, contiguous along its last axis, into ``target``, contiguous along others."""
    run = max(1, _RUN_BYTES // int(source.itemsize))
    for start in range(0, source.shape[-1], run):
        runs = (..., slice(start, start + run))
        _by_tiles(target[runs], source[runs])


def _by_tiles(target: Any, source: Any) -> None:
    inner = math.prod(source.shape[1:]) * int(source.itemsize)
    if source.ndim > 2 and inner > _TILE_BYTES:
        for part, into in zip(source, target, strict=True):
            _by_tiles(into, part)
        return
    rows = max(1, _TILE_BYTES // inner)
    tile = np.empty((min(rows, len(source)), *source.shape[1:]), source.dtype)
    whole_runs = _as_runs(tile) if source.strides[-1] == source.itemsize else None
    for start in range(0, len(source), rows):
        part = source[start : start + rows]
        if whole_runs is None:
            np.copyto(tile[: len(part)], part)
        else:
            np.copyto(whole_runs[: len(part)], _as_runs(part))
        np.copyto(target[start : start + rows], tile[: len(part)])


def _as_runs(value: Any) -> Any:
    """View each run of the last axis as one opaque element, which is copied in one go."""
    return value.view(f"V{value.shape[-1] * value.itemsize}")
