"""Call records as sealed bytes: the envelope of a call, bound to its key."""

from __future__ import annotations

from typing import Final

from fleche_like.calls import DigestedCall
from fleche_like.calls.record import decode_record, encode_record
from fleche_like.codecs import Buffer, Encoded
from fleche_like.codecs.envelope import seal, unseal
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest

RECORD: Final = "record"
"""The name in the envelopes of call records; their payload is JSON, never a pickle."""


def seal_record(call: DigestedCall) -> bytes:
    """Return the bytes to store for a call under its key."""
    return b"".join(seal(call.key, RECORD, Encoded(encode_record(call), ())))


def open_record(data: Buffer, key: Digest) -> DigestedCall:
    """Return the call of stored bytes.

    Raises:
        DamagedEnvelope: they are not what was stored under ``key``.
    """
    sealed = unseal(key, data)
    if sealed.codec != RECORD:
        raise DamagedEnvelope(
            f"{key} holds a {sealed.codec} envelope, not a call record",
            key=key,
            reason="not a record",
        )
    return decode_record(sealed.payload, key)
