"""Imports of optional libraries, with an error that says what to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from fleche_like.errors import MissingExtra


def require(module: str, extra: str) -> ModuleType:
    """Import an optional library.

    Args:
        module: dotted name of what to import.
        extra: the extra of this package that brings it.

    Raises:
        MissingExtra: it is not installed; the message gives the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{module} is not installed; install it with: pip install 'fleche-like[{extra}]'",
            extra=extra,
        ) from error
