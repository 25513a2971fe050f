"""Values in any byte backend, through any codec."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

from fleche_like.backends import ByteBackend, SupportsOpen, SupportsStat
from fleche_like.backends.abilities import map_bytes, put_parts, renew
from fleche_like.codecs import (
    Buffer,
    Codec,
    Guard,
    PickleCodec,
    Signer,
    Skeleton,
    guard_of,
    load_file,
    load_mapped,
    loads,
    seal,
)
from fleche_like.errors import CodecError
from fleche_like.hashing import Digest
from fleche_like.storage.backed import BackedStorage
from fleche_like.storage.base import Intent, ValueMixin
from fleche_like.storage.divided import Assembly, Divided, divided, part_digests
from fleche_like.storage.dividing import DESTRUCTURE_BYTES, size_of
from fleche_like.storage.inspecting import StoredPart, parts_of
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
            (``"verify"``: and check their contents first, which reads them). Nothing is mapped
            where something is doubted: a file could change after it was verified.
        signer: signs values, and believes no others.
        trusted: names of the codecs whose values may be decoded; ``None`` for all.
        destructure_bytes: store containers part by part, each part of this size or more under its
            own digest, so that equal parts of several values are stored once; ``None`` or 0 stores
            every value as a whole. Only where the codec is pickle. What is there already is read
            either way.

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
        destructure_bytes: int | None = DESTRUCTURE_BYTES,
    ) -> None:
        super().__init__(backend, prefix=prefix)
        self.signer = signer
        self.trusted = trusted
        self._guard = guard_of(signer, trusted)
        self.codec: Codec = PickleCodec() if codec is None else codec
        self.mmap = mmap
        self.destructure_bytes = destructure_bytes
        able = destructure_bytes and isinstance(self.codec, PickleCodec)
        self._least = destructure_bytes if able else None
        # Asked once: isinstance() against a protocol costs as much as reading a small value.
        self._opens = backend if isinstance(backend, SupportsOpen) else None
        self._stats = backend if isinstance(backend, SupportsStat) else None

    def encode(self, value: Any, key: Digest) -> Sequence[Buffer]:
        """Return the pieces of a value's envelope, to be stored by :meth:`put_encoded`.

        Those of a value in parts are a :class:`Divided`, which has the envelopes of its parts too.
        They may refer to the value's own memory: store them before it can change.

        Raises:
            EncodeError: the codec cannot represent the value.
        """
        encoded = self.codec.encode(value)
        if self._least and size_of(encoded) >= self._least:
            found = divided(value, encoded, key, self._least, self.signer)
            if found is not None:
                return found
        return seal(key, self.codec.name, encoded, self.signer)

    def put(self, value: Any, key: Digest) -> Digest:
        """Store a value under its digest, unless it is there."""
        if self._transacts is None:
            # What is doubted has to be there down to the last part, each to be believed.
            if self._guard is not None:
                self.put_once(self.encode(value, key), key)
            elif not self._is_kept_whole(key):
                self.put_encoded(self.encode(value, key), key)
            return key
        self.put_once(self.encode(value, key), key)
        return key

    def put_once(self, parts: Sequence[Buffer], key: Digest) -> None:
        """Store what :meth:`encode` returned, unless it is there."""
        # In a database, writing a few bytes again costs less than asking whether they are there.
        if sum(map(len, parts)) <= OVERWRITTEN_BYTES or not self._is_there(key):
            self.put_encoded(parts, key)
        else:
            self._put_members(parts)

    def keep(self, key: Digest) -> bool:
        """Return whether a value is stored; from now on it counts as just written.

        Whoever relies on a stored value instead of storing it says so by this: the grace period
        of ``gc`` begins anew. False also where that cannot be, and it has to be stored again.
        """
        with self._operation_context(key, intent=Intent.WRITE):
            return self._is_young(key) or self._is_kept_whole(key)

    def _is_young(self, key: Digest) -> bool:
        """Whether a value was stored or relied on just now, and so were its parts."""
        found = None if self._stats is None else self._stats.stat(self._path(key))
        return found is not None and found.mtime > time.time() - RENEWED_AFTER_S

    def _is_kept_whole(self, key: Digest) -> bool:
        """As :meth:`keep`: a value of which a part was removed has to be stored again."""
        seen, rest = {key}, [key]
        while rest:
            digest = rest.pop()
            if not self._is_there(digest):
                return False
            new = set(part_digests(self.backend, self._path(digest), digest)) - seen
            seen |= new
            rest += new
        return True

    def _is_kept(self, key: Digest) -> bool:
        if self._stats is None:
            return self._contains(key)
        found = self._stats.stat(self._path(key))
        if found is None:
            return False
        is_young = found.mtime > time.time() - RENEWED_AFTER_S
        return is_young or renew(self.backend, self._path(key))

    def _is_there(self, key: Digest) -> bool:
        """Whether a value is stored; one that is not trusted is to be replaced."""
        if not self._is_kept(key):
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
        self._put_members(parts)
        put_parts(self.backend, self._path(key), parts)

    def _put_members(self, parts: Sequence[Buffer]) -> None:
        """Store the parts of a value: before itself, so that it never lacks one."""
        if isinstance(parts, Divided):
            for digest, envelope in parts.members:
                self.put_once(envelope, digest)

    def references(self, key: Digest) -> tuple[Digest, ...]:
        """Return the digests of the direct parts of a stored value; reads its first bytes.

        Args:
            key: a full digest.

        Returns:
            Each part once; none for a value that is stored whole, is damaged, or is not stored.
        """
        with self._operation_context(key, intent=Intent.READ):
            return part_digests(self.backend, self._path(key), key)

    def parts(self, key: Digest | str, *, uses: bool = False) -> list[StoredPart]:
        """Return the parts of a stored value, and theirs: see :func:`.inspecting.parts_of`."""
        return parts_of(self, key, uses=uses)

    def decode(self, data: Buffer, key: Digest) -> Any:
        """Return the value of stored bytes, in memory of its own.

        Raises:
            DamagedEnvelope, DecodeError, UntrustedEnvelope: as :meth:`get`.
        """
        found = loads(data, key) if self._guard is None else self._guard.loads(data, key)
        return found if type(found) is not Skeleton else self._whole(found, key)

    def get(self, key: Digest) -> Any:
        """Return the value of a full digest, in memory of its own.

        Raises:
            KeyNotFound: it is not stored (``PartNotFound``: a part of it is not).
            DamagedEnvelope: its bytes, or those of a part, are not what was stored.
            DecodeError: they are, but decoding them raised.
            UntrustedEnvelope: they are, but nobody who is trusted wrote them.
        """
        found = self._load_one(key)
        return found if type(found) is not Skeleton else self._whole(found, key)

    def _whole(self, skeleton: Skeleton, key: Digest) -> Any:
        # Without the contexts of the parts: what a digest stands for never changes.
        return Assembly(self._load_one).whole(skeleton, key)

    def _load_one(self, key: Digest) -> Any:
        """Return what is stored under a digest; a value in parts without them."""
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
