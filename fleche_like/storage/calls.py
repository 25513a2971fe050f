"""Calls in any byte backend: records alone, without an index."""

from __future__ import annotations

from typing import Any

from fleche_like.backends import ByteBackend
from fleche_like.calls import DigestedCall
from fleche_like.codecs import Signer
from fleche_like.hashing import Digest
from fleche_like.storage.backed import BackedStorage
from fleche_like.storage.base import CallMixin
from fleche_like.storage.layout import CALLS
from fleche_like.storage.records import open_record, seal_record


class BackendCallStorage(BackedStorage, CallMixin):
    """Sealed call records in a byte backend; a query reads them all.

    Args:
        backend: where the bytes go.
        prefix: container of all keys, with its closing slash.
        signer: signs records, and believes no others.

    Thread-safe and process-safe as far as the backend is: each put replaces atomically.
    """

    def __init__(
        self, backend: ByteBackend, *, prefix: str = CALLS, signer: Signer | None = None
    ) -> None:
        super().__init__(backend, prefix=prefix)
        self.signer = signer

    def put(self, value: Any, key: Digest) -> Digest:
        """Store the record of a call, replacing an earlier one."""
        self.backend.put_bytes(self._path(key), seal_record(value, self.signer))
        return key

    def get(self, key: Digest) -> DigestedCall:
        """Return the call of a full key.

        Raises:
            KeyNotFound: it is not stored.
            DamagedEnvelope: its bytes are not what was stored.
            UntrustedEnvelope: they are not signed by a key that is known here.
        """
        return open_record(self.backend.get_bytes(self._path(key)), key, self.signer)
