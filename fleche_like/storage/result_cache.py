"""The bytes of results that were saved or loaded lately, in the memory of this process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from fleche_like.backends import ByteBackend
from fleche_like.backends.memory_tier import MemoryTierBackend
from fleche_like.codecs import Buffer
from fleche_like.hashing import Digest
from fleche_like.storage.divided import Divided
from fleche_like.storage.layout import VALUES, path
from fleche_like.storage.values import BackendValueStorage
from fleche_like.support.sentinel import Missing

_MB: Final = 2**20


class ResultCache:
    """Values by digest: from memory if they are there, else from a backend.

    Bytes and not objects are kept, so that two loads share nothing.

    Args:
        backend: where values are.
        size_mb: how many megabytes are kept (the least recently used go first); ``None`` for no
            bound, 0 for nothing.

    Thread-safe.
    """

    def __init__(self, backend: ByteBackend, size_mb: float | None) -> None:
        self._backend = backend
        self.max_bytes = sys.maxsize if size_mb is None else max(0, int(size_mb * _MB))
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        limit = self.max_bytes
        self._tier = MemoryTierBackend(self._backend, max_bytes=limit, max_item_bytes=limit)
        self._values = BackendValueStorage(self._tier)

    def lookup(self, key: Digest) -> Any | Missing:
        """Return a value, or ``MISSING``; keeps its bytes."""
        return self._values.lookup(key)

    def keep(self, key: Digest, envelope: Sequence[Buffer]) -> None:
        """Keep the bytes of a value that was just stored."""
        if isinstance(envelope, Divided):
            for digest, each in envelope.members:
                self.keep(digest, each)
        if sum(map(len, envelope)) <= self.max_bytes:
            self._tier.keep(path(VALUES, key), b"".join(envelope))

    def holds(self, key: Digest) -> bool:
        """Return whether the bytes of a value are in memory."""
        return self._tier.holds(path(VALUES, key))

    def info(self) -> dict[str, Any]:
        """Return how many bytes are in memory, and how many may be."""
        return {"bytes": self._tier.kept_bytes, "max_bytes": self.max_bytes}
