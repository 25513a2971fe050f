"""Handlers for the types of known libraries, chosen by the name of the module that defines them.

A handler module is imported only when a value of its library appears, so that digesting never
imports a library that the program has not imported itself.
"""

from __future__ import annotations

import importlib
from typing import Any

from fleche_like.hashing.branch import Handler
from fleche_like.hashing.names import type_names

_MODULES = {
    "PIL": "fleche_like.hashing.images",
    "networkx": "fleche_like.hashing.graphs",
    "numpy": "fleche_like.hashing.arrays",
    "pandas": "fleche_like.hashing.frames",
    "polars": "fleche_like.hashing.polars_frames",
    "pyarrow": "fleche_like.hashing.arrow",
    "pydantic": "fleche_like.hashing.models",
    "scipy": "fleche_like.hashing.sparse",
    "sklearn": "fleche_like.hashing.models",
    "torch": "fleche_like.hashing.tensors",
    "xarray": "fleche_like.hashing.labelled",
}


def find(cls: type) -> Handler | None:
    """Return the library handler for a type or the nearest of its bases, or None."""
    for base in cls.__mro__:
        module = _module(base)
        if module is not None:
            handler: Handler | None = module.LIBRARY.find(base)
            if handler is not None:
                return handler
    return None


def find_exact(cls: type) -> Handler | None:
    """Return the library handler for a type that a library itself defines, or None."""
    module = None if issubclass(cls, type) else _module(cls)
    handler: Handler | None = module and module.LIBRARY.find(cls)
    return handler


def is_node_type(cls: type) -> bool:
    """Tell whether a library's handler makes values of this type nodes of their own."""
    for base in cls.__mro__:
        module = _module(base)
        if module is not None and module.LIBRARY.is_node_type(base):
            return True
    return False


def _module(cls: type) -> Any:
    top = type_names(cls)[0].partition(".")[0]
    return importlib.import_module(_MODULES[top]) if top in _MODULES else None
