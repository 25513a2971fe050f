"""Arrays that may not be written to, as those that may: nobody shares what a cache hands out.

Whether an array is frozen is no part of its digest, as its order in memory is none. So equal ones
are stored once, and what comes back must not depend on which of them was stored first.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any


class FrozenBlock(Exception):
    """Raised where pickle is about to write down that an array may not be written to."""


class _Lent:
    """Memory that NumPy takes for writable; whoever gets it only reads."""

    def __init__(self, block: memoryview, interface: dict[str, Any]) -> None:
        self.block = block
        self.__array_interface__ = interface


def is_frozen(view: memoryview) -> bool:
    """Whether a block of memory is that of a NumPy array that may not be written to."""
    if not view.readonly:
        return False
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(view.obj, numpy.ndarray)


def thawed(value: Any) -> Any:
    """Return how to pickle an array that may not be written to as one that may.

    Returns:
        What ``__reduce_ex__`` would, without a copy; ``NotImplemented`` for anything else.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray) or value.flags.writeable:
        return NotImplemented
    reduced = value.__reduce_ex__(5)
    function, arguments = reduced[:2]
    if not (arguments and isinstance(arguments[0], pickle.PickleBuffer)):
        return reduced
    block = pickle.PickleBuffer(_writable(arguments[0].raw()))
    return (function, (block, *arguments[1:]), *reduced[2:])


def _writable(block: memoryview) -> Any:
    import numpy as np

    flat = np.frombuffer(block, np.uint8)
    interface = dict(flat.__array_interface__, data=(flat.ctypes.data, False))
    return np.asarray(_Lent(block, interface))
