"""How calls are shown: one short line."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Final

SHORT_LENGTH: Final = 8


class Brief(reprlib.Repr):
    """Short reprs on one line, whatever the value: of a huge number, of one whose repr raises.

    Args:
        length: about how many characters for text, numbers and foreign objects.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = length

    def show(self, value: Any) -> str:
        """Return the short repr."""
        try:
            return " ".join(self.repr(value).split("\n"))
        except Exception:  # noqa: BLE001  foreign reprs, and types named like builtin ones
            return f"<{type(value).__name__} object>"

    def repr_int(self, x: int, level: int) -> str:
        """Show a huge integer by its size: its decimal digits take quadratic time."""
        if x.bit_length() > 1024:
            return f"<int of {x.bit_length()} bits>"
        return super().repr_int(x, level)


_BRIEF: Final = Brief(60)


def shown_value(value: Any) -> str:
    """Return a short ``repr`` on one line; one that raises is replaced."""
    return _BRIEF.show(value)


def shown_digest(digest: str) -> str:
    """Return a digest's first characters: ``<3f9a12cd>``."""
    return f"<{digest[:SHORT_LENGTH]}>"


def shown_call(name: str, arguments: Mapping[str, str]) -> str:
    """Return the call as Python would write it: ``simulate(alpha=0.1, steps=100)``."""
    return f"{name}({', '.join(f'{key}={text}' for key, text in arguments.items())})"
