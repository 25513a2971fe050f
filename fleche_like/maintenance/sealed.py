"""Stored values as the bytes that they are sealed in: reading, checking and sealing anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from fleche_like.backends import ByteBackend, TieredBackend
from fleche_like.backends.abilities import get_many, map_bytes
from fleche_like.codecs import Buffer
from fleche_like.codecs.base import Encoded
from fleche_like.codecs.envelope import seal, unseal, unseal_small
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage, ValueStorage
from fleche_like.storage.layout import path
from fleche_like.storage.references import SupportsReferences

_WHOLE: Final = ("pickle", "cloudpickle", "safe")
"""Codecs of values that are stored whole; of any other the storage says what its parts are."""


def signer_of(storage: Any) -> Any:
    """Return what signs the envelopes of a storage; ``None`` if nothing does."""
    return getattr(storage, "signer", None)


class Opened(NamedTuple):
    """A sealed value that was checked: the name of its codec, and its bytes for another place."""

    codec: str
    data: Buffer


def open_sealed(digest: Digest, data: Buffer, signer: Any, other: Any) -> Opened:
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
        return Opened(small[0], data)
    sealed = unseal(digest, data, **_signed(signer))
    if signer == other:
        return Opened(sealed.codec, data)
    encoded = Encoded(sealed.payload, sealed.buffers)
    return Opened(sealed.codec, b"".join(seal(digest, sealed.codec, encoded, **_signed(other))))


def _signed(signer: Any) -> dict[str, Any]:
    return {} if signer is None else {"signer": signer}


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


def parts_of(values: ValueStorage, digest: Digest, codec: str) -> tuple[Digest, ...]:
    """Return the digests of the values that a stored one is put together from."""
    if codec in _WHOLE or not isinstance(values, SupportsReferences):
        return ()
    return values.references(digest)
