"""Stored values as the bytes that they are sealed in: reading, checking and sealing anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from fleche_like.backends import ByteBackend, TieredBackend
from fleche_like.backends.abilities import get_many, map_bytes
from fleche_like.codecs import Buffer, Encoded, PartsCodec, Signer, seal, unseal
from fleche_like.codecs.envelope import unseal_small
from fleche_like.codecs.parts import read_parts
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.layout import path


def signing(storage: Any) -> Signer | None:
    """Return what signs the envelopes of a storage; ``None`` if nothing does."""
    return getattr(storage, "signer", None)


class Opened(NamedTuple):
    """A sealed value that was checked.

    Attributes:
        codec: the name of its codec.
        data: its bytes for another place.
        parts: the digests of the values that it is put together from.
    """

    codec: str
    data: Buffer
    parts: Sequence[Digest] = ()


def open_sealed(
    digest: Digest, data: Buffer, signer: Signer | None, other: Signer | None
) -> Opened:
    """Check all of a sealed value, and seal it for a place that signs otherwise; decode nothing.

    Args:
        digest: of the value.
        data: its envelope.
        signer: what it must be signed with; ``None`` where nothing is signed.
        other: what the other place signs with.

    Raises:
        CodecError: the bytes are not what was stored under this digest, or nobody trusted did.
    """
    if signer is None and other is None and (small := unseal_small(digest, data)) is not None:
        codec, payload = small
        return Opened(codec, data, _parts(codec, payload))
    sealed = unseal(digest, data, signer=signer)
    parts = _parts(sealed.codec, sealed.payload)
    if signer != other:
        data = b"".join(seal(digest, sealed.codec, Encoded(sealed.payload, sealed.buffers), other))
    return Opened(sealed.codec, data, parts)


def _parts(codec: str, payload: Buffer) -> Sequence[Digest]:
    return read_parts(payload) or () if codec == PartsCodec.name else ()


def read_sealed(
    values: BackendValueStorage,
    digests: Sequence[Digest],
    skip: Callable[[Digest], bool] = lambda _: False,
) -> Iterator[tuple[Digest, Buffer]]:
    """Yield the sealed bytes of those digests that are stored, in any order.

    Large ones are mapped where the backend can do that, so that memory stays flat.

    Args:
        values: where they are.
        digests: full ones.
        skip: asked about each that may be large before it is read; true leaves it out.
    """
    backend, rest = values.backend, [*digests]
    if isinstance(backend, TieredBackend):
        found = set()
        for digest, data in _many(backend.small, values.prefix, rest):
            found.add(digest)
            yield digest, data
        backend, rest = backend.large, [digest for digest in rest if digest not in found]
    for digest in rest:
        if skip(digest):
            continue
        try:
            yield digest, map_bytes(backend, path(values.prefix, digest))
        except KeyError:
            continue


def _many(
    backend: ByteBackend, prefix: str, digests: Sequence[Digest]
) -> Iterator[tuple[Digest, bytes]]:
    digest_of = {path(prefix, digest): digest for digest in digests}
    return ((digest_of[key], data) for key, data in get_many(backend, digest_of))
