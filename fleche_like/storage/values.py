"""Values in any byte backend, through any codec."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, Literal

from fleche_like.backends import ByteBackend, SupportsOpen, SupportsStat
from fleche_like.backends.abilities import map_bytes, put_parts, renew
from fleche_like.codecs import Buffer, Codec, PickleCodec, dumps, load_file, load_mapped, loads
from fleche_like.hashing import Digest
from fleche_like.storage.backed import BackedStorage
from fleche_like.storage.base import Intent, ValueMixin
from fleche_like.storage.layout import VALUES

OVERWRITTEN_BYTES: Final = 4096
"""A value up to this size is written without a look whether it is there, where that is cheap."""

RENEWED_AFTER_S: Final = 60.0
"""A value that is relied on again counts as written now, if it was written longer ago than this."""


class BackendValueStorage(BackedStorage, ValueMixin):
    """Values as sealed envelopes in a byte backend.

    Args:
        backend: where the bytes go.
        codec: how objects become bytes; pickle (protocol 5, large buffers out of band) unless
            said otherwise. Reading goes by the name in each envelope.
        prefix: container of all keys, with its closing slash.
        mmap: map large buffers copy-on-write instead of copying them, where the backend can
            (``"verify"``: and check their contents first, which reads them).

    Thread-safe and process-safe as far as the backend is: each put replaces atomically. A value
    that is already there is not written again.
    """

    def __init__(
        self,
        backend: ByteBackend,
        codec: Codec | None = None,
        *,
        prefix: str = VALUES,
        mmap: bool | Literal["verify"] = False,
    ) -> None:
        super().__init__(backend, prefix=prefix)
        self.codec: Codec = PickleCodec() if codec is None else codec
        self.mmap = mmap
        # Asked once: isinstance() against a protocol costs as much as reading a small value.
        self._opens = backend if isinstance(backend, SupportsOpen) else None
        self._stats = backend if isinstance(backend, SupportsStat) else None

    def encode(self, value: Any, key: Digest) -> Sequence[Buffer]:
        """Return the parts of a value's envelope, to be stored by :meth:`put_encoded`.

        They may refer to the value's own memory: store them before it can change.

        Raises:
            EncodeError: the codec cannot represent the value.
        """
        return dumps(value, key, self.codec)

    def put(self, value: Any, key: Digest) -> Digest:
        """Store a value under its digest, unless it is there."""
        if self._transacts is None:
            if not self._is_kept(key):
                self.put_encoded(self.encode(value, key), key)
            return key
        self.put_once(self.encode(value, key), key)
        return key

    def put_once(self, parts: Sequence[Buffer], key: Digest) -> None:
        """Store what :meth:`encode` returned, unless it is there."""
        # In a database, writing a few bytes again costs less than asking whether they are there.
        if sum(map(len, parts)) <= OVERWRITTEN_BYTES or not self._is_kept(key):
            self.put_encoded(parts, key)

    def keep(self, key: Digest) -> bool:
        """Return whether a value is stored; from now on it counts as just written.

        Whoever relies on a stored value instead of storing it says so by this: the grace period
        of ``gc`` begins anew. False also where that cannot be, and it has to be stored again.
        """
        with self._operation_context(key, intent=Intent.WRITE):
            return self._is_kept(key)

    def _is_kept(self, key: Digest) -> bool:
        if self._stats is None:
            return self._contains(key)
        found = self._stats.stat(self._path(key))
        if found is None:
            return False
        is_young = found.mtime > time.time() - RENEWED_AFTER_S
        return is_young or renew(self.backend, self._path(key))

    def put_encoded(self, parts: Sequence[Buffer], key: Digest) -> None:
        """Store what :meth:`encode` returned, replacing what was there."""
        put_parts(self.backend, self._path(key), parts)

    def decode(self, data: Buffer, key: Digest) -> Any:
        """Return the value of stored bytes, in memory of its own.

        Raises:
            DamagedEnvelope, DecodeError: as :meth:`get`.
        """
        return loads(data, key)

    def get(self, key: Digest) -> Any:
        """Return the value of a full digest, in memory of its own.

        Raises:
            KeyNotFound: it is not stored.
            DamagedEnvelope: its bytes are not what was stored.
            DecodeError: they are, but decoding them raised.
        """
        where = self._path(key)
        if self.mmap:
            mapped = map_bytes(self.backend, where)
            return load_mapped(mapped, key, verify_buffers=self.mmap == "verify")
        if self._opens is None:
            return loads(self.backend.get_bytes(where), key)
        with self._opens.open_read(where) as file:
            return load_file(file, key)
