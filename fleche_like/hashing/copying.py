"""Copying a strided NumPy array into a contiguous one, in steps that fit the cache.

NumPy walks both arrays in the order of the target. That is as fast as memory where neighbours in
the target are near each other in the source too, and has three ways to be slow, each avoided here:

* the last axis has a few elements only: the cost of a loop is paid for each. They are copied one
  position at a time, over all other axes;
* neighbours lie far apart (the source is transposed): each touches a line of its own, and a page.
  Long runs of the source are read into a tile that fits the cache, and walked across only there;
* rows of a tile lie a power of two apart, so that a column of it falls into one set of the cache.
  A line of padding after each row spreads them (measured: 2 against 12 GB/s).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

FEW: Final = 8
WORDS: Final = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}
_LINE_BYTES = 64
_PART_BYTES = 256 << 10
_TILE_BYTES = 512 << 10
_RUN_BYTES = 4096
_LEAST_ACROSS = 64


def opaque(size: int) -> str:
    """Return the dtype of elements of a size that are only copied; padding inside is kept."""
    return WORDS.get(size) or f"V{size}"


def transposed_axis(source: Any) -> int | None:
    """Return the axis to read along, where that is not the one in which the target is written."""
    if source.itemsize >= _LINE_BYTES or abs(source.strides[-1]) <= _LINE_BYTES:
        return None
    axis = min(reversed(range(source.ndim)), key=_distance(source))
    return None if axis == source.ndim - 1 else axis


def _distance(source: Any) -> Callable[[int], float]:
    """Return the distance of neighbours along an axis; those in the same place are last."""
    return lambda axis: abs(source.strides[axis]) or math.inf


def copy(target: Any, source: Any) -> None:
    """Copy an array.

    Args:
        target: a C-contiguous array of the same shape and dtype.
        source: of elements that :func:`opaque` names.
    """
    if transposed_axis(source) is not None:
        across, width = _across(source)
        way = _by_tiles if width >= FEW else _by_position
        way(target.reshape(*source.shape[:across], width), source, across)
    elif source.ndim > 1 and source.shape[-1] < FEW:
        _by_position(target, source, source.ndim - 1)
    else:
        np.copyto(target, source)


def _across(source: Any) -> tuple[int, int]:
    """Return the first of the last axes that are written together, and how many elements they have.

    They are as many as fill a tile with long rows, but none that the source is read along.
    """
    along = transposed_axis(source) or 0
    run = min(_RUN_BYTES, source.shape[along] * int(source.itemsize))
    first, width = source.ndim, 1
    while first - 1 > along and width < max(_LEAST_ACROSS, _TILE_BYTES // run):
        first -= 1
        width *= source.shape[first]
    return first, width


def _by_position(target: Any, source: Any, across: int) -> None:
    """Copy all first elements of the axes from ``across`` on, then all second ones, and so on."""
    rows = max(1, _PART_BYTES // int(target[0].nbytes))
    for start in range(0, len(source), rows):
        into, part = target[start : start + rows], source[start : start + rows]
        for n, place in enumerate(np.ndindex(*source.shape[across:])):
            np.copyto(into[..., n], part[(..., *place)])


def _by_tiles(target: Any, source: Any, across: int) -> None:
    """Cut both arrays into blocks that fit a tile; the last axis of the target is those across."""
    outer, along = _order(source, across)
    last = (*range(across, source.ndim),)
    source = source.transpose(*outer, *along, *last)
    target = target.transpose(*outer, *along, across)
    size, depth = int(source.itemsize), len(along)
    lengths = source.shape[len(outer) :]
    short, narrow = math.prod(lengths[1:depth]), math.prod(lengths[depth + 1 :])
    height = min(lengths[0], max(1, _RUN_BYTES // (short * size)))
    run, most = height * short, max(_LEAST_ACROSS, _TILE_BYTES // (height * short * size))
    width = min(lengths[depth], max(1, most // narrow))
    scratch = np.empty(width * narrow * _pitch(run, size), source.dtype)
    for place in np.ndindex(*source.shape[: len(outer)]):
        for row in range(0, lengths[0], height):
            into, part = target[place][row : row + height], source[place][row : row + height]
            for column in range(0, lengths[depth], width):
                columns = (*[slice(None)] * depth, slice(column, column + width))
                merged = slice(column * narrow, (column + width) * narrow)
                _by_tile(into[..., merged], part[columns], depth, scratch)


def _order(source: Any, across: int) -> tuple[list[int], list[int]]:
    """Return the axes before ``across``: those to loop over, and those to read along."""
    order = sorted(range(across), key=_distance(source))
    nearest = min(map(_distance(source), range(across, source.ndim)))
    count, run_bytes = 1, source.shape[order[0]] * int(source.itemsize)
    while count < across and run_bytes < _RUN_BYTES and _distance(source)(order[count]) < nearest:
        run_bytes *= source.shape[order[count]]
        count += 1
    return order[count:][::-1], order[:count][::-1]


def _by_tile(target: Any, source: Any, depth: int, scratch: Any) -> None:
    """Copy one block by way of a tile; the first ``depth`` axes of the source are read along."""
    shape = source.shape
    height, width = math.prod(shape[:depth]), math.prod(shape[depth:])
    tile = _padded(scratch, width, height)
    runs = np.moveaxis(source, range(depth), range(-depth, 0))
    _gather(tile.reshape(shape[depth:] + shape[:depth]), runs)
    np.copyto(target, np.moveaxis(tile.reshape(width, *shape[:depth]), 0, -1))


def _padded(scratch: Any, rows: int, length: int) -> Any:
    """Return a tile in the scratch memory, with padded rows."""
    pitch = _pitch(length, int(scratch.itemsize))
    return scratch[: rows * pitch].reshape(rows, pitch)[:, :length]


def _pitch(length: int, size: int) -> int:
    """Return from how many elements on the next row may begin, an odd number of lines away."""
    lines = -(-length * size // _LINE_BYTES) | 1
    return max(length, lines * _LINE_BYTES // size)


def _gather(tile: Any, source: Any) -> None:
    """Read runs into a tile, each in one go where it lies together."""
    size = int(source.itemsize)
    if source.strides[-1] == size:
        run = f"V{size * source.shape[-1]}"
        tile, source = tile.view(run), source.view(run)
    np.copyto(tile, source)
