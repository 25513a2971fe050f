"""Bytes by key: one contract, and the places that bytes can live.

====================  ========================================================================
:mod:`.base`          the contract, and the optional abilities beyond it
:mod:`.keys`          what a key may look like, the same for all
:mod:`.abilities`     the abilities, with a plain way around for backends that lack them
:mod:`.local`         files in a folder (:mod:`.folders`, :mod:`.temporary`)
:mod:`.memory`        the memory of this process
:mod:`.database`      a table of any SQL database
:mod:`.filesystem`    any filesystem of fsspec: S3, Google Cloud Storage, Azure, …
:mod:`.tiered`        small payloads here, large ones there
:mod:`.mirrored`      the same bytes in two places
:mod:`.memory_tier`   a bounded memory in front of any
:mod:`.connecting`    from a URL to one of these
:mod:`.paths`         the contract of storages by path
:mod:`.storages`      storages by path, over any of these (:mod:`.filesystem_storage`)
====================  ========================================================================

Those that need SQLAlchemy or fsspec are imported when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fleche_like.backends.base import (
    Buffer,
    ByteBackend,
    StorageBackend,
    StorageStat,
    SupportsAge,
    SupportsAppend,
    SupportsBatch,
    SupportsEmptyContainers,
    SupportsMap,
    SupportsOpen,
    SupportsParts,
    SupportsRange,
    SupportsReplace,
    SupportsStarts,
    SupportsStat,
    SupportsSweep,
    SupportsTransaction,
)
from fleche_like.backends.connecting import connect
from fleche_like.backends.keys import normalise
from fleche_like.backends.local import LocalBackend
from fleche_like.backends.memory import MemoryBackend
from fleche_like.backends.memory_tier import MemoryTierBackend
from fleche_like.backends.mirrored import MirroredBackend
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
    from fleche_like.backends.filesystem import FsspecBackend
    from fleche_like.backends.filesystem_storage import FsspecStorage

__all__ = [
    "AsyncStorage",
    "Buffer",
    "ByteBackend",
    "DatabaseBackend",
    "DatabaseStorage",
    "FsspecBackend",
    "FsspecStorage",
    "LocalBackend",
    "LocalStorage",
    "MemoryBackend",
    "MemoryStorage",
    "MemoryTierBackend",
    "MirroredBackend",
    "PathStorage",
    "Storage",
    "StorageBackend",
    "StorageStat",
    "SupportsAge",
    "SupportsAppend",
    "SupportsBatch",
    "SupportsEmptyContainers",
    "SupportsMap",
    "SupportsOpen",
    "SupportsParts",
    "SupportsRange",
    "SupportsReplace",
    "SupportsStarts",
    "SupportsStat",
    "SupportsSweep",
    "SupportsTransaction",
    "TieredBackend",
    "connect",
    "normalise",
]


_LATER = {
    "DatabaseBackend": "fleche_like.backends.database",
    "FsspecBackend": "fleche_like.backends.filesystem",
    "FsspecStorage": "fleche_like.backends.filesystem_storage",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
