"""Objects that nobody can tell from an equal one: it does not matter who shares them."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import functools
import pathlib
import re
import sys
import types
import uuid
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from fleche_like.codecs.parts import Asking, Taken, take_apart

Objects: TypeAlias = dict[int, Any]
"""Objects by their identity."""

# Exact types, since a subclass may have attributes. What a tuple holds is looked at by itself.
_OPAQUE: Final = frozenset(
    {
        type(None),
        bool,
        str,
        bytes,
        int,
        float,
        complex,
        tuple,
        frozenset,
        range,
        slice,
        re.Pattern,
        dt.date,
        dt.time,
        dt.datetime,
        dt.timedelta,
        dt.timezone,
        decimal.Decimal,
        fractions.Fraction,
        uuid.UUID,
        types.ModuleType,
    }
)
_OPAQUE_BASES: Final = (type, enum.Enum, pathlib.PurePath)
_OF_LIBRARIES: Final = {
    "numpy": ("dtype", "generic", "ufunc"),
    "pandas": ("api.extensions.ExtensionDtype", "offsets.BaseOffset", "Timestamp", "Timedelta"),
}
_FRAMES: Final = {"pandas": ("DataFrame", "Series")}
_IMMUTABLE: Final = {"pandas": ("Index",)}
"""Immutable to those who use them, but made of objects that are not."""


def referred(taken: Taken) -> Objects:
    """Return the objects that a pickle refers to and that somebody might want to share.

    But for the most common of the opaque ones, and for what frames are made of inside.
    """
    objects = {key: obj for key, (_, obj) in taken.memo.items() if type(obj) not in _OPAQUE}
    hidden = _metadata_of(objects) | _inside_immutables(objects)
    return {key: obj for key, obj in objects.items() if key not in hidden} if hidden else objects


def without_opaque(objects: Objects) -> Objects:
    """Return those objects whose identity can be observed: one that others share may change."""
    return {key: obj for key, obj in objects.items() if not is_opaque(obj)}


def _metadata_of(objects: Objects) -> set[int]:
    """Return the identities of lists that all frames of a class have in their state."""
    frames = _classes_of(_FRAMES)
    if not frames:
        return set()
    classes = (each for each in objects.values() if isinstance(each, type))
    return {id(getattr(each, "_metadata", None)) for each in classes if issubclass(each, frames)}


def _inside_immutables(objects: Objects) -> set[int]:
    """Return the identities of immutable objects made of others, and of these."""
    immutables = _classes_of(_IMMUTABLE)
    found = [obj for obj in objects.values() if immutables and isinstance(obj, immutables)]
    return {key for obj in found for key in take_apart(obj, Asking(_nothing)).memo}


def _nothing(_obj: Any) -> None:
    return None


def is_opaque(obj: Any) -> bool:
    """Whether nobody can tell an object from an equal one."""
    if type(obj) in _OPAQUE or isinstance(obj, _OPAQUE_BASES):
        return True
    if isinstance(getattr(obj, "__qualname__", None), str):
        return True  # a function, which is pickled by its name, however it was compiled
    return isinstance(obj, _classes_of(_OF_LIBRARIES))


def _classes_of(names: Mapping[str, tuple[str, ...]]) -> tuple[type, ...]:
    """Return classes of those libraries that are imported: others have no instances here."""
    found: list[type] = []
    for library, paths in names.items():
        module: Any = sys.modules.get(library)
        if module is not None:
            found += [functools.reduce(getattr, path.split("."), module) for path in paths]
    return tuple(found)
