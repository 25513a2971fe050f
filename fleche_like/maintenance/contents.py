"""Checking stored bytes without decoding them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from fleche_like.backends import ByteBackend, TieredBackend
from fleche_like.backends.abilities import get_many, map_bytes, stat
from fleche_like.codecs import Buffer
from fleche_like.codecs.envelope import unseal, unseal_small
from fleche_like.errors import CodecError, UnknownFormat
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.layout import path

TOGETHER_BYTES: Final = 64 * 1024
"""Values up to this size are read a hundred at a time, larger ones one by one."""

BATCH: Final = 100

Mapped: TypeAlias = Callable[..., Iterable[Any]]
"""``map``, or one that has several requests under way."""


def damage_of(values: BackendValueStorage, key: Digest, data: Buffer) -> str:
    """Return what is wrong with the bytes of a value; nothing if they are what was stored.

    Every checksum is verified, and the signature if values are signed. Nothing is decoded.

    Raises:
        UnknownFormat: a later release wrote them.
    """
    try:
        if values.signer is not None or unseal_small(key, data) is None:
            unseal(key, data, signer=values.signer)
    except UnknownFormat:
        raise
    except CodecError as error:
        return str(getattr(error, "reason", error))
    return ""


def checked(
    values: BackendValueStorage, digests: Sequence[Digest], mapped: Mapped
) -> Iterator[tuple[Digest, str]]:
    """Yield values that are still there, each with what is wrong with it.

    Args:
        values: where they are.
        digests: which; a hundred or so.
        mapped: how requests are made.
    """
    together, apart = _divided(values, digests, mapped)
    for digest, data in together:
        yield digest, _judged(values, digest, data)
    found = zip(apart, mapped(lambda digest: _read_and_judged(values, digest), apart), strict=True)
    yield from ((digest, reason) for digest, reason in found if reason is not None)


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


def _read_and_judged(values: BackendValueStorage, digest: Digest) -> str | None:
    try:
        data = map_bytes(values.backend, path(values.prefix, digest))
    except KeyError:
        return None  # removed since
    return _judged(values, digest, data)


def _judged(values: BackendValueStorage, digest: Digest, data: Buffer) -> str:
    try:
        return damage_of(values, digest, data)
    except UnknownFormat:
        return ""  # which a later release alone can judge
