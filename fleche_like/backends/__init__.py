"""Bytes by key: one contract, and the places that bytes can live.

====================  ========================================================================
:mod:`.base`          the contract, and the optional abilities beyond it
:mod:`.keys`          what a key may look like, the same for all
:mod:`.abilities`     the abilities, with a plain way around for backends that lack them
:mod:`.local`         files in a folder (:mod:`.folders`, :mod:`.temporary`)
:mod:`.memory`        the memory of this process
:mod:`.database`      a table of any SQL database
:mod:`.tiered`        small payloads here, large ones there
:mod:`.paths`         the contract of storages by path
:mod:`.storages`      storages by path, over any of these
====================  ========================================================================

``DatabaseBackend`` is imported with SQLAlchemy when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleche_like.backends.base import (
    Buffer,
    ByteBackend,
    StorageBackend,
    StorageStat,
    SupportsAppend,
    SupportsBatch,
    SupportsEmptyContainers,
    SupportsMap,
    SupportsOpen,
    SupportsParts,
    SupportsRange,
    SupportsStat,
    SupportsSweep,
    SupportsTransaction,
)
from fleche_like.backends.keys import normalise
from fleche_like.backends.local import LocalBackend
from fleche_like.backends.memory import MemoryBackend
from fleche_like.backends.paths import AsyncStorage, Storage
from fleche_like.backends.storages import (
    DatabaseStorage,
    LocalStorage,
    MemoryStorage,
    PathStorage,
)
from fleche_like.backends.tiered import TieredBackend

if TYPE_CHECKING:
    from fleche_like.backends.database import DatabaseBackend

__all__ = [
    "AsyncStorage",
    "Buffer",
    "ByteBackend",
    "DatabaseBackend",
    "DatabaseStorage",
    "LocalBackend",
    "LocalStorage",
    "MemoryBackend",
    "MemoryStorage",
    "PathStorage",
    "Storage",
    "StorageBackend",
    "StorageStat",
    "SupportsAppend",
    "SupportsBatch",
    "SupportsEmptyContainers",
    "SupportsMap",
    "SupportsOpen",
    "SupportsParts",
    "SupportsRange",
    "SupportsStat",
    "SupportsSweep",
    "SupportsTransaction",
    "TieredBackend",
    "normalise",
]


def __getattr__(name: str) -> Any:
    if name == "DatabaseBackend":
        from fleche_like.backends.database import DatabaseBackend

        return DatabaseBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
