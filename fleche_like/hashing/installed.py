"""Where code comes from: Python and installed packages, or the project."""

from __future__ import annotations

import functools
import os
from typing import Any

_SITES = frozenset(("site-packages", "dist-packages"))


def is_installed(file: Any, spec: Any) -> bool:
    """Tell whether a module belongs to Python or an installed package, by its file or its origin.

    An editable installation is none: its files are where the project keeps them.
    """
    if not isinstance(file, str):
        # Built in or frozen; a notebook's or a test's module has no specification either.
        return spec is not None and getattr(spec, "origin", None) in ("built-in", "frozen")
    return file.startswith(_library()) or not _SITES.isdisjoint(file.split(os.sep))


@functools.cache
def _library() -> str:
    return os.path.dirname(str(os.__file__)) + os.sep
