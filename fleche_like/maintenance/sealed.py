"""Stored values as the bytes that they are sealed in: reading, checking and writing many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from fleche_like.backends import ByteBackend, TieredBackend
from fleche_like.backends.abilities import get_many, map_bytes, put_many
from fleche_like.codecs import Buffer
from fleche_like.codecs.envelope import unseal, unseal_small
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage, ValueStorage
from fleche_like.storage.layout import path
from fleche_like.storage.references import SupportsReferences

FLUSH_BYTES: Final = 8 * 1024 * 1024
"""So many bytes are gathered before they are written together."""

_WHOLE: Final = ("pickle", "cloudpickle", "safe")
"""Codecs of values that are stored whole; of any other the storage says what its parts are."""


def can_exchange(source: ValueStorage, target: ValueStorage) -> bool:
    """Return whether sealed bytes of one storage may go into another one as they are."""
    return (
        isinstance(source, BackendValueStorage)
        and isinstance(target, BackendValueStorage)
        and signer_of(source) == signer_of(target)
        and source.codec.name == target.codec.name
    )


def signer_of(storage: Any) -> Any:
    """Return what signs the envelopes of a storage; ``None`` if nothing does."""
    return getattr(storage, "signer", None)


def read_sealed(
    values: BackendValueStorage, digests: Sequence[Digest], skip: Any = None
) -> Iterator[tuple[Digest, Buffer]]:
    """Yield the sealed bytes of those digests that are stored, in any order.

    Large ones are mapped where the backend can do that, so that memory stays flat.

    Args:
        values: where they are.
        digests: full ones.
        skip: asked about each before it is read, where reading may be dear; true leaves it out.
    """
    backend, rest = values.backend, [*digests]
    if isinstance(backend, TieredBackend):
        found = set()
        for digest, data in _many(backend.small, values.prefix, rest):
            found.add(digest)
            yield digest, data
        backend, rest = backend.large, [digest for digest in rest if digest not in found]
    for digest in rest:
        if skip is not None and skip(digest):
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


def write_sealed(values: BackendValueStorage, items: Iterable[tuple[Digest, Buffer]]) -> None:
    """Store sealed bytes under their digests; together where the backend can do that."""
    put_many(values.backend, sorted((path(values.prefix, key), data) for key, data in items))


def codec_of(digest: Digest, data: Buffer) -> str:
    """Return the name of the codec of a sealed value, all of which is checked.

    Raises:
        CodecError: the bytes are not what was stored under this digest.
    """
    small = unseal_small(digest, data)
    return small[0] if small is not None else unseal(digest, data).codec


def parts_of(values: ValueStorage, digest: Digest, codec: str) -> tuple[Digest, ...]:
    """Return the digests of the values that a stored one is put together from."""
    if codec in _WHOLE or not isinstance(values, SupportsReferences):
        return ()
    return values.references(digest)
