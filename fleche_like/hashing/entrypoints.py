"""Handlers that installed packages offer for types, through entry points.

An entry point of the group ``fleche_like.digest`` is named after the type it handles
(``mylib.core.Thing``) and refers to a function from a value to its stand-in. The names are read
once, when the first type appears that nothing else knows; a function is imported when a value of
its type appears.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib import metadata

GROUP = "fleche_like.digest"


def find(cls: type) -> Callable[[Any], Any] | None:
    """Return the function offered for a type or the nearest of its bases, or None."""
    offered = _offered()
    if not offered:
        return None
    for base in cls.__mro__:
        point = offered.get(f"{base.__module__}.{base.__qualname__}")
        if point is not None:
            return _load(point)
    return None


@functools.cache
def _offered() -> dict[str, metadata.EntryPoint]:
    # Reading installed packages takes as long to import as all of hashing.
    from importlib import metadata

    return {point.name: point for point in metadata.entry_points(group=GROUP)}


@functools.cache
def _load(point: metadata.EntryPoint) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = point.load()
    return function
