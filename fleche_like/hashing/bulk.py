"""Whole trees of builtin values encoded by C code, once their types are known to be exact.

Version 2 of the marshal format is frozen by what the interpreter must still read: it has neither
references nor interning marks (versions 3 and 4 brought those), writes floats in binary, and is
defined in bytes of fixed order on every platform. Its bytes are those of the table in :mod:`.tags`,
which a probe checks against :mod:`.plain` at import; if an interpreter ever disagrees, every
function here answers "not in bulk", and the walker writes the same bytes, slower.

marshal is only safe for types that were checked: it writes sets in the order of their hashes, any
buffer as ``bytes``, and code objects. So the types of the whole tree are collected first, level by
level, by ``set(map(type, ...))``. Because another thread may change the tree in between, mutable
trees are checked again afterwards: marshal itself runs no Python code and keeps the GIL, so its
output is one consistent state, and only the types around it must have held still.
"""

from __future__ import annotations

import marshal
import sys
from gc import get_referents
from itertools import chain
from typing import Any

from fleche_like.hashing import plain
from fleche_like.hashing.tags import CONTAINERS, PLAIN, SCALARS

_MARSHAL_VERSION = 2
_MAX_LEVELS = 64
# A tree that shares its parts at every level would grow without bound when written out.
_MAX_LEVEL_SIZE = 1 << 27
_SMALL_LEVEL = 64
_SHALLOW = 2
_LARGE_LEVEL = 1 << 16
_LONG_LIST = 1024
_LIST_HEADER = 5
_FIXED_WIDTH = {int: (b"i", 5), float: (b"g", 9)}

_PROBE: tuple[Any, ...] = (
    None, True, False, 0, -1, 0x7FFFFFFF, -0x80000000, 1 << 31, -(1 << 31) - 1, 1 << 70,
    -(1 << 200), 0.0, -0.0, 1.5, float("inf"), float("nan"), 1j, "", "abc", "é\ud800\U0001f600",
    b"", b"\x00\xff",
)  # fmt: skip


def _marshal_agrees() -> bool:
    try:
        scalars = all(marshal.dumps(x, _MARSHAL_VERSION) == plain.scalar(x) for x in _PROBE)
        nested = marshal.dumps([(1,), {"a": None}], _MARSHAL_VERSION)
    except ValueError:
        return False
    one, name = plain.scalar(1), plain.scalar("a")
    return scalars and nested == b"[\2\0\0\0(\1\0\0\0" + one + b"{" + name + b"N0"


AVAILABLE = _marshal_agrees()


def scalar(value: Any) -> bytes:
    """Return the encoding of a value whose exact type is in :data:`.tags.SCALARS`."""
    if AVAILABLE:
        try:
            return marshal.dumps(value, 2)
        except ValueError:
            return plain.scalar(value)
    return plain.scalar(value)


def scalars(values: list[Any]) -> list[bytes]:
    """Return what :func:`scalar` does of each of many values."""
    if AVAILABLE:
        try:
            return [marshal.dumps(value, 2) for value in values]
        except ValueError:
            pass  # one of them is too large
    return [scalar(value) for value in values]


def tree(value: Any) -> bytes | None:
    """Return the encoding of a tuple, list or dict, or None if it needs the walker.

    Args:
        value: an exact ``tuple``, ``list`` or ``dict``.

    Returns:
        The canonical encoding if the whole tree consists of exact builtin values (no sets) within
        64 levels; else None. Which of the two it is never changes the encoding.
    """
    if not AVAILABLE:
        return None
    try:
        return _fixed_width(value) or _checked(value)
    except (ValueError, RuntimeError):
        # Too large for marshal, or a dict that changed under the iteration.
        return None


def _fixed_width(value: Any) -> bytes | None:
    """Encode a long list of 32-bit ints or of floats.

    Its own bytes prove the types, in a tenth of the time of asking each element for its type.
    """
    if type(value) is not list or len(value) < _LONG_LIST:
        return None
    kind = type(value[0])
    if kind not in _FIXED_WIDTH or type(value[-1]) is not kind:
        return None
    tag, width = _FIXED_WIDTH[kind]
    encoding = marshal.dumps(value, 2)
    count, rest = divmod(len(encoding) - _LIST_HEADER, width)
    if rest or encoding[_LIST_HEADER::width] != tag * count:
        return None
    # Every element was cut at the right place, so each is of the tag's type.
    return encoding


def _checked(value: Any) -> bytes | None:
    """Encode a tree once all of its types are known to be exact.

    The root is copied first, so that what is checked there is what is written.
    """
    if type(value) is not tuple:
        value = value.copy()
    children = value if type(value) is not dict else _children([value])
    kinds = set(map(type, children))
    if kinds <= SCALARS:
        return marshal.dumps(value, 2)
    if not kinds <= PLAIN or not is_plain(value):
        return None
    encoding = marshal.dumps(value, 2)
    return encoding if _alone() or is_plain(value) else None


def _alone() -> bool:
    """Tell whether no other thread can have run Python code just now."""
    return len(sys._current_frames()) == 1


def is_plain(root: Any) -> bool:
    """Tell whether a tree holds exact builtin values only, looking at one level at a time."""
    level: list[Any] = [root]
    for depth in range(_MAX_LEVELS):
        level = _children(level)
        kinds = set(map(type, level))
        if kinds <= SCALARS:
            return True
        if not kinds <= PLAIN:
            return False
        if len(level) > _SMALL_LEVEL:
            level = [x for x in level if type(x) in CONTAINERS]
            if sum(map(len, level)) > _MAX_LEVEL_SIZE or (depth > _SHALLOW and _shared(level)):
                return False
    return False


def _shared(level: list[Any]) -> bool:
    """Tell whether a level is mostly the same few objects again: written out, they may explode."""
    return len(level) > _LARGE_LEVEL and len(set(map(id, level))) * 16 < len(level)


def _chained(level: list[Any]) -> list[Any]:
    """Return the elements, keys and values of the containers in a level."""
    dicts = [x for x in level if type(x) is dict]
    others = [x for x in level if type(x) is list or type(x) is tuple]
    return [*chain.from_iterable((*others, *dicts, *map(dict.values, dicts)))]


def _referents(level: list[Any]) -> list[Any]:
    """Return what :func:`_chained` does, in one call, less keys of dicts with nothing but strings.

    The collector's own traversal visits every element of a container, nothing of a scalar, and keys
    unless all of them are exact strings: that is what the probe asks for.
    """
    return get_referents(*level)


def _visits_all() -> bool:
    class Text(str):
        __slots__ = ()

    a, b, c, d, text = 10**6, 2.5, b"c", (), Text("e")
    visited = get_referents([a, b], (c,), {1: d}, {text: a}, {"f": b, a: c}, {"g": d}, a, c, "f")
    wanted = [a, b, c, 1, d, text, a, "f", b, a, c, d]
    return sorted(map(id, visited)) == sorted(map(id, wanted))


_children = _referents if _visits_all() else _chained
