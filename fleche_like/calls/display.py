"""How calls are shown: one short line."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Final

SHORT_LENGTH: Final = 8

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 60


def shown_value(value: Any) -> str:
    """Return a short ``repr`` on one line; a ``repr`` that raises is replaced."""
    return " ".join(_BRIEF.repr(value).split("\n"))


def shown_digest(digest: str) -> str:
    """Return a digest's first characters: ``<3f9a12cd>``."""
    return f"<{digest[:SHORT_LENGTH]}>"


def shown_call(name: str, arguments: Mapping[str, str]) -> str:
    """Return the call as Python would write it: ``simulate(alpha=0.1, steps=100)``."""
    return f"{name}({', '.join(f'{key}={text}' for key, text in arguments.items())})"
