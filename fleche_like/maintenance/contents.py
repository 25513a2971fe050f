"""Checking stored bytes without decoding them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from fleche_like.backends import ByteBackend, TieredBackend
from fleche_like.backends.abilities import get_many, map_bytes, stat
from fleche_like.codecs import Buffer
from fleche_like.errors import CodecError, UnknownFormat
from fleche_like.hashing import Digest
from fleche_like.maintenance.sealed import open_sealed
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.glances import Mapped
from fleche_like.storage.layout import path

TOGETHER_BYTES: Final = 64 * 1024
"""Values up to this size are read a hundred at a time, larger ones one by one."""

BATCH: Final = 100


class Looked(NamedTuple):
    """A stored value that was looked at.

    Attributes:
        digest: of the value.
        reason: what is wrong with its bytes; empty if they are what was stored.
        parts: the digests of its parts; ``None`` if its bytes are not believed.
    """

    digest: Digest
    reason: str
    parts: Sequence[Digest] | None


def damage_of(values: BackendValueStorage, key: Digest, data: Buffer) -> str:
    """Return what is wrong with the bytes of a value; nothing if they are what was stored.

    Every checksum is verified, and the signature if values are signed. Nothing is decoded.

    Raises:
        UnknownFormat: a later release wrote them.
    """
    return _looked(values, key, data).reason


def checked(
    values: BackendValueStorage, digests: Sequence[Digest], mapped: Mapped
) -> Iterator[Looked]:
    """Yield values that are still there, with what is wrong with each, and what it consists of.

    Args:
        values: where they are.
        digests: which; a hundred or so.
        mapped: how requests are made.
    """
    together, apart = _divided(values, digests, mapped)
    for digest, data in together:
        yield _judged(values, digest, data)
    found = mapped(lambda digest: _read_and_judged(values, digest), apart)
    yield from (each for each in found if each is not None)


def _divided(
    values: BackendValueStorage, digests: Sequence[Digest], mapped: Mapped
) -> tuple[Iterable[tuple[Digest, bytes]], Sequence[Digest]]:
    backend = values.backend
    where = {path(values.prefix, digest): digest for digest in digests}
    if isinstance(backend, TieredBackend) and backend.threshold_bytes <= TOGETHER_BYTES:
        found = {where[key]: data for key, data in get_many(backend.small, where)}
        return found.items(), [digest for digest in digests if digest not in found]
    if mapped is not map:
        return (), digests  # a request each in any case
    small = [key for key in where if _size(backend, key) <= TOGETHER_BYTES]
    pairs = ((where[key], data) for key, data in get_many(backend, small))
    chosen = {where[key] for key in small}
    return pairs, [digest for digest in digests if digest not in chosen]


def _size(backend: ByteBackend, key: str) -> int:
    found = stat(backend, key)
    return 0 if found is None else found.size


def _read_and_judged(values: BackendValueStorage, digest: Digest) -> Looked | None:
    try:
        data = map_bytes(values.backend, path(values.prefix, digest))
    except KeyError:
        return None  # removed since
    return _judged(values, digest, data)


def _judged(values: BackendValueStorage, digest: Digest, data: Buffer) -> Looked:
    try:
        return _looked(values, digest, data)
    except UnknownFormat:
        return Looked(digest, "", None)  # which a later release alone can judge


def _looked(values: BackendValueStorage, digest: Digest, data: Buffer) -> Looked:
    signer = values.signer
    try:
        return Looked(digest, "", open_sealed(digest, data, signer, signer).parts)
    except UnknownFormat:
        raise
    except CodecError as error:
        return Looked(digest, str(getattr(error, "reason", error)), None)
