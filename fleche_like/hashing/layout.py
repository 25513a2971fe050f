"""The elements of a NumPy array in C order, whatever its layout, in little memory.

What lies in C order already is passed on in place. Anything else is copied slab by slab (a range of
the first axis) into one buffer that is used again and again; :mod:`.copying` says how.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fleche_like.hashing import copying

_SMALL_BYTES = 1 << 16
# What a slab may take at most, and what it takes where it need not hold whole lines of its source:
# little enough to stay in the caches until it is hashed.
_SLAB_BYTES = 12 << 20
_USUAL_BYTES = 2 << 20
_RUN_BYTES = 1024
_MOST_JOINED_BYTES = 1 << 16


def blocks(value: Any) -> Iterator[Any]:
    """Yield an array's elements in C order: itself if it is contiguous, else bounded copies.

    Copies are of opaque elements: only their bytes count. A block is valid until the next one is
    asked for. At most 13 MB are allocated.
    """
    if value.flags.c_contiguous:
        yield value
    elif value.nbytes <= _SMALL_BYTES:
        yield value.copy("C")
    else:
        yield from _slabs(simplified(value))


def simplified(value: Any) -> Any:
    """View an array as one of opaque elements, with as few axes and elements as there can be.

    Neighbouring axes that are one in memory are joined, those of length one dropped, and what lies
    together at the end becomes one element where that is copied faster.
    """
    value = value.view(copying.opaque(value.itemsize))
    axes: list[tuple[int, int]] = []
    for length, stride in zip(value.shape, value.strides, strict=True):
        if axes and axes[-1][1] == length * stride:
            axes[-1] = (axes[-1][0] * length, stride)
        elif length != 1:
            axes.append((length, stride))
    shape, strides = zip(*axes or [(1, value.itemsize)], strict=True)
    return _joined(as_strided(value, shape, strides))


def _joined(value: Any) -> Any:
    run = value.shape[-1] * value.itemsize
    if value.ndim == 1 or value.strides[-1] != value.itemsize or run > _MOST_JOINED_BYTES:
        return value
    if run not in copying.WORDS and value.shape[-1] < copying.FEW:
        return value  # a few odd words are copied faster one by one
    return value.view(copying.opaque(run))[..., 0]


def _slabs(value: Any) -> Iterator[Any]:
    rows = _rows(value)
    if value.flags.c_contiguous:
        yield value
    elif not rows:
        for part in value:
            yield from _slabs(simplified(part))
    else:
        buffer = np.empty((rows, *value.shape[1:]), value.dtype)
        for start in range(0, len(value), rows):
            source = value[start : start + rows]
            target = buffer[: len(source)]
            # Rows of a broadcast array are there already.
            if value.strides[0] or not start:
                copying.copy(target, source)
            yield target


def _rows(value: Any) -> int:
    """Return how many rows make a slab; 0 if each is too much and is to be taken apart."""
    row = math.prod(value.shape[1:]) * int(value.itemsize)
    most, rows = _USUAL_BYTES, len(value)
    if copying.transposed_axis(value) == 0:
        most, rows = _SLAB_BYTES, max(_RUN_BYTES // int(value.itemsize), _USUAL_BYTES // row)
    return int(min(rows, most // row, len(value)))
