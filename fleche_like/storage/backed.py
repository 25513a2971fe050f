"""Digests as keys of a byte backend: what value and call storages over one share."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from fleche_like.backends import ByteBackend, SupportsTransaction
from fleche_like.errors import DamagedEnvelope, UntrustedEnvelope
from fleche_like.hashing import Digest
from fleche_like.storage.base import MINIMUM_PREFIX_LENGTH, Intent, StorageBackend
from fleche_like.storage.layout import digests_under, path, quarantine, shard
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)


class BackedStorage(StorageBackend):
    """Key management over the keys ``<prefix>3f/9a/<digest>`` of a byte backend.

    Args:
        backend: where the bytes go.
        prefix: container of all keys, with its closing slash.

    Thread-safe and process-safe as far as the backend is.
    """

    def __init__(self, backend: ByteBackend, *, prefix: str) -> None:
        self.backend = backend
        self.prefix = prefix
        # Asked once: isinstance() against a protocol costs a tenth of saving a small call.
        self._transacts = backend if isinstance(backend, SupportsTransaction) else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.backend!r})"

    def list(self) -> Iterable[Digest]:
        """Yield every stored digest."""
        return digests_under(self.backend, self.prefix)

    def _prefix_candidates(self, prefix: str) -> Iterable[Digest]:
        return [key for key in self._shard(prefix) if key.startswith(prefix)]

    def _sorted_around(self, keys: Sequence[Digest]) -> Sequence[str]:
        # Digests of other shards differ within the minimum prefix, so they shorten nothing.
        shards = {key[:MINIMUM_PREFIX_LENGTH] for key in keys}
        return sorted(key for each in shards for key in self._shard(each))

    def _shard(self, prefix: str) -> Sequence[Digest]:
        return sorted(digests_under(self.backend, shard(self.prefix, prefix)))

    def _path(self, key: Digest) -> str:
        return path(self.prefix, key)

    def _contains(self, key: Digest) -> bool:
        return self.backend.exists(self._path(key))

    def _evict(self, key: Digest) -> None:
        self.backend.delete(self._path(key))

    def lookup(self, key: Digest) -> Any | Missing:
        """Return what is stored under a full digest, or ``MISSING``.

        Bytes that are not what was stored are put aside under ``quarantine/`` and count as
        missing; so does a value in parts with the part that is damaged or the one that is gone.
        What is not trusted counts as missing too, and stays.
        """
        try:
            with self._operation_context(key, intent=Intent.READ):
                return self.get(key)
        except DamagedEnvelope as damage:
            logger.warning("%s%s is damaged and was put aside: %s", self.prefix, key, damage.reason)
            for each in dict.fromkeys((damage.key, key)):
                with self._operation_context(each, intent=Intent.WRITE):
                    quarantine(self.backend, self._path(Digest(each)))
            return MISSING
        except KeyError:
            return MISSING
        except UntrustedEnvelope as doubt:
            logger.warning("%s%s is passed over: %s", self.prefix, key, doubt.reason)
            return MISSING

    @property
    def transacts(self) -> bool:
        """Whether several writes can commit together."""
        return self._transacts is not None

    def transaction(self) -> AbstractContextManager[Any]:
        """Return a context whose writes commit together, where the backend can do that."""
        return (
            contextlib.nullcontext() if self._transacts is None else self._transacts.transaction()
        )

    def close(self) -> None:
        """Release what the backend holds."""
        self.backend.close()
