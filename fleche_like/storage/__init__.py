"""Objects by digest: key management, locks, and value and call storages over byte backends."""

from __future__ import annotations

from fleche_like.storage.base import (
    AmbiguousDigestError,
    CallMixin,
    CallStorage,
    Intent,
    KeyManagement,
    OperationContext,
    SaveError,
    StorageBackend,
    ValueMixin,
    ValueStorage,
)
from fleche_like.storage.calls import BackendCallStorage
from fleche_like.storage.containers import register_container
from fleche_like.storage.inspecting import StoredPart
from fleche_like.storage.locks import (
    InterProcessLockMixin,
    PerKeyLockMixin,
    ReadWriteLockMixin,
    SerializingMixin,
)
from fleche_like.storage.values import BackendValueStorage

__all__ = [
    "AmbiguousDigestError",
    "BackendCallStorage",
    "BackendValueStorage",
    "CallMixin",
    "CallStorage",
    "Intent",
    "InterProcessLockMixin",
    "KeyManagement",
    "OperationContext",
    "PerKeyLockMixin",
    "ReadWriteLockMixin",
    "SaveError",
    "SerializingMixin",
    "StorageBackend",
    "StoredPart",
    "ValueMixin",
    "ValueStorage",
    "register_container",
]
