"""Any value as one short line that is safe to print."""

from __future__ import annotations

import reprlib
from datetime import datetime
from itertools import islice
from typing import Any

from fleche_like.hashing import Digest

# Beyond 4,300 digits Python refuses to print an int, and long before that nobody reads it.
_MAX_INT_BITS = 256


def printable(text: str) -> str:
    r"""Return ``text`` with everything a terminal could act on written as an escape.

    >>> printable("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shorten(text: str, width: int) -> str:
    """Return ``text`` cut to ``width`` characters, an ellipsis standing for the rest."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def preview(value: Any, width: int = 60) -> str:
    """Return what ``value`` looks like in at most ``width`` printable characters.

    Arrays and frames show their type, dtype and shape; nothing large is rendered first. A
    ``repr`` that raises costs the preview, not the caller.

    >>> preview([1.5] * 100)
    '[1.5, 1.5, 1.5, 1.5, 1.5, 1.5, ...]'
    """
    try:
        text = _Preview(width).repr(value)
    except Exception:  # noqa: BLE001 - __repr__, shape and their like may raise anything
        text = f"<{type(value).__name__}>"
    return shorten(printable(text), width)


class _Preview(reprlib.Repr):
    def __init__(self, width: int) -> None:
        super().__init__()
        # Strings keep their beginning, not their middle: more than fits, for shorten to cut.
        self.maxstring = self.maxother = 2 * width + 8

    def repr1(self, x: Any, level: int) -> str:
        if type(x) is Digest:
            return str(x)[:12]
        if _is_array(x):
            return _describe_array(x)
        return super().repr1(x, level)

    def repr_int(self, x: int, level: int) -> str:
        bits = x.bit_length()
        return f"<int of {bits} bits>" if bits > _MAX_INT_BITS else super().repr_int(x, level)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        # In its own order, which is part of what a dict is; the inherited way sorts the keys.
        if not x or level <= 0:
            return "{...}" if x else "{}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in islice(x.items(), self.maxdict)
        ]
        return f"{{{', '.join(shown + ['...'] * (len(x) > self.maxdict))}}}"

    def repr_datetime(self, x: datetime, level: int) -> str:  # noqa: ARG002 - as reprlib calls it
        return str(x)


def _is_array(value: Any) -> bool:
    kind = type(value)  # asking the instance could run a __getattr__
    has_dtype = hasattr(kind, "dtype") or hasattr(kind, "columns")
    return has_dtype and hasattr(kind, "shape") and value.shape != ()


def _describe_array(value: Any) -> str:
    shape = "x".join(map(str, value.shape))
    dtype = getattr(value, "dtype", None)
    return f"<{type(value).__name__} {shape}{'' if dtype is None else f' {dtype}'}>"
