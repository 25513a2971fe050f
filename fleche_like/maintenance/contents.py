"""Checking stored bytes without decoding them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Final

from fleche_like.codecs import Buffer
from fleche_like.codecs.envelope import unseal, unseal_small
from fleche_like.errors import CodecError, UnknownFormat
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.sealed import Mapped, read_sealed

BATCH: Final = 100
"""Values that are asked for at a time."""


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
    return read_sealed(values, digests, functools.partial(_judged, values), mapped=mapped)


def _judged(values: BackendValueStorage, digest: Digest, data: Buffer) -> str:
    try:
        return damage_of(values, digest, data)
    except UnknownFormat:
        return ""  # which a later release alone can judge
