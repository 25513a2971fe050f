"""Stored values as the bytes that they are sealed in: reading, checking and sealing anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from fleche_like.backends import ByteBackend, SupportsStarts, TieredBackend
from fleche_like.backends.abilities import get_many, get_starts, map_bytes
from fleche_like.codecs import Buffer, Encoded, PartsCodec, Signer, seal, unseal
from fleche_like.codecs.envelope import unseal_small
from fleche_like.codecs.parts import read_parts
from fleche_like.hashing import Digest
from fleche_like.storage.layout import path
from fleche_like.storage.values import BackendValueStorage
from fleche_like.support.sentinel import MISSING, Missing

TOGETHER_BYTES: Final = 32 * 1024 * 1024
"""So many bytes of small values are read together at most."""

_SMALL_BYTES: Final = 64 * 1024

T = TypeVar("T")

Mapped: TypeAlias = Callable[..., Iterable[Any]]
"""``map``, or one that has several requests under way."""


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
    visit: Callable[[Digest, Buffer], T],
    *,
    skip: Callable[[Digest], bool] = lambda _: False,
    mapped: Mapped = map,
) -> Iterator[tuple[Digest, T]]:
    """Yield those digests that are stored, in any order, each with what became of its bytes.

    Small ones are read together where the backend keeps them apart, or tells many sizes at once;
    others one by one, and mapped where that can be, so that memory stays flat.

    Args:
        values: where they are.
        digests: full ones, each once.
        visit: takes a digest and its sealed bytes, which it must not keep; called once for each.
        skip: asked about each that may be large before it is read; true leaves it out.
        mapped: makes the requests for those that may be large.
    """
    found = set()
    for digest, data in _small(values.backend, values.prefix, digests):
        found.add(digest)
        yield digest, visit(digest, data)
    backend = values.backend.large if isinstance(values.backend, TieredBackend) else values.backend
    rest = [digest for digest in digests if digest not in found]

    def visited(digest: Digest) -> T | Missing:
        try:
            data = MISSING if skip(digest) else map_bytes(backend, path(values.prefix, digest))
        except KeyError:  # removed since, if it ever was there
            return MISSING
        return MISSING if data is MISSING else visit(digest, data)

    for digest, result in zip(rest, mapped(visited, rest), strict=True):
        if result is not MISSING:
            yield digest, result


def _small(
    backend: ByteBackend, prefix: str, digests: Sequence[Digest]
) -> Iterator[tuple[Digest, bytes]]:
    """Yield small values with their bytes; none where that would take a request for each."""
    if isinstance(backend, TieredBackend):
        source, largest = backend.small, backend.threshold_bytes
    elif isinstance(backend, SupportsStarts):
        source, largest = backend, _SMALL_BYTES
    else:
        return
    step = max(1, TOGETHER_BYTES // max(1, largest))
    for start in range(0, len(digests), step):
        digest_of = {path(prefix, digest): digest for digest in digests[start : start + step]}
        keys: Iterable[str] = digest_of
        if source is backend:
            keys = [key for key, size, _ in get_starts(backend, keys, 0) if size <= largest]
        for key, data in get_many(source, keys):
            yield digest_of[key], data
