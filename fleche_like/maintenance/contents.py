"""Checking stored bytes without decoding them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from fleche_like.codecs import Buffer
from fleche_like.errors import CodecError, UnknownFormat
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.sealed import Mapped, open_sealed, read_sealed

BATCH: Final = 100
"""Values that are asked for at a time."""


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


def checked(
    values: BackendValueStorage, digests: Sequence[Digest], mapped: Mapped
) -> Iterator[Looked]:
    """Yield values that are still there, with what is wrong with each, and what it consists of.

    Args:
        values: where they are.
        digests: which; a hundred or so.
        mapped: how requests are made.
    """
    found = read_sealed(values, digests, functools.partial(_looked, values), mapped=mapped)
    yield from (looked for _, looked in found)


def _looked(values: BackendValueStorage, digest: Digest, data: Buffer) -> Looked:
    signer = values.signer
    try:
        return Looked(digest, "", open_sealed(digest, data, signer, signer).parts)
    except UnknownFormat:
        return Looked(digest, "", None)  # which a later release alone can judge
    except CodecError as error:
        return Looked(digest, str(getattr(error, "reason", error)), None)
