"""Values in any byte backend, through any codec."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

from fleche_like.backends import ByteBackend, SupportsOpen
from fleche_like.backends.abilities import map_bytes, put_parts
from fleche_like.codecs import (
    Buffer,
    Codec,
    Guard,
    PickleCodec,
    Signer,
    dumps,
    guard_of,
    load_file,
    load_mapped,
    loads,
)
from fleche_like.errors import CodecError
from fleche_like.hashing import Digest
from fleche_like.storage.backed import BackedStorage
from fleche_like.storage.base import ValueMixin
from fleche_like.storage.layout import VALUES

OVERWRITTEN_BYTES: Final = 4096
"""A value up to this size is written without a look whether it is there, where that is cheap."""


class BackendValueStorage(BackedStorage, ValueMixin):
    """Values as sealed envelopes in a byte backend.

    Args:
        backend: where the bytes go.
        codec: how objects become bytes; pickle (protocol 5, large buffers out of band) unless
            said otherwise. Reading goes by the name in each envelope.
        prefix: container of all keys, with its closing slash.
        mmap: map large buffers copy-on-write instead of copying them, where the backend can
            (``"verify"``: and check their contents first, which reads them). Nothing is mapped
            where something is doubted: a file could change after it was verified.
        signer: signs values, and believes no others.
        trusted: names of the codecs whose values may be decoded; ``None`` for all.

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
        signer: Signer | None = None,
        trusted: Collection[str] | None = None,
    ) -> None:
        super().__init__(backend, prefix=prefix)
        self.signer = signer
        self.trusted = trusted
        self._guard = guard_of(signer, trusted)
        self.codec: Codec = PickleCodec() if codec is None else codec
        self.mmap = mmap
        # Asked once: isinstance() against a protocol costs as much as reading a small value.
        self._opens = backend if isinstance(backend, SupportsOpen) else None

    def encode(self, value: Any, key: Digest) -> Sequence[Buffer]:
        """Return the parts of a value's envelope, to be stored by :meth:`put_encoded`.

        They may refer to the value's own memory: store them before it can change.

        Raises:
            EncodeError: the codec cannot represent the value.
        """
        return dumps(value, key, self.codec, self.signer)

    def put(self, value: Any, key: Digest) -> Digest:
        """Store a value under its digest, unless it is there."""
        if self._transacts is None:
            if not self._is_there(key):
                self.put_encoded(self.encode(value, key), key)
            return key
        self.put_once(self.encode(value, key), key)
        return key

    def put_once(self, parts: Sequence[Buffer], key: Digest) -> None:
        """Store what :meth:`encode` returned, unless it is there."""
        # In a database, writing a few bytes again costs less than asking whether they are there.
        if sum(map(len, parts)) <= OVERWRITTEN_BYTES or not self._is_there(key):
            self.put_encoded(parts, key)

    def _is_there(self, key: Digest) -> bool:
        """Whether a value is stored; one that is not trusted is to be replaced."""
        if not self._contains(key):
            return False
        if self._guard is None:
            return True
        try:
            self._guard.check(self.backend.get_bytes(self._path(key)), key)
        except (KeyError, CodecError):
            return False
        return True

    def put_encoded(self, parts: Sequence[Buffer], key: Digest) -> None:
        """Store what :meth:`encode` returned, replacing what was there."""
        put_parts(self.backend, self._path(key), parts)

    def decode(self, data: Buffer, key: Digest) -> Any:
        """Return the value of stored bytes, in memory of its own.

        Raises:
            DamagedEnvelope, DecodeError, UntrustedEnvelope: as :meth:`get`.
        """
        return loads(data, key) if self._guard is None else self._guard.loads(data, key)

    def get(self, key: Digest) -> Any:
        """Return the value of a full digest, in memory of its own.

        Raises:
            KeyNotFound: it is not stored.
            DamagedEnvelope: its bytes are not what was stored.
            DecodeError: they are, but decoding them raised.
            UntrustedEnvelope: they are, but nobody who is trusted wrote them.
        """
        where = self._path(key)
        if self._guard is not None:
            return self._guarded(self._guard, key)
        if self.mmap:
            mapped = map_bytes(self.backend, where)
            return load_mapped(mapped, key, verify_buffers=self.mmap == "verify")
        if self._opens is None:
            return loads(self.backend.get_bytes(where), key)
        with self._opens.open_read(where) as file:
            return load_file(file, key)

    def _guarded(self, guard: Guard, key: Digest) -> Any:
        if self._opens is None:
            return guard.loads(self.backend.get_bytes(self._path(key)), key)
        with self._opens.open_read(self._path(key)) as file:
            return guard.load_file(file, key)
