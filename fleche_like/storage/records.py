"""Call records as sealed bytes: the envelope of a call, bound to its key."""

from __future__ import annotations

from typing import Final

from fleche_like.calls import DigestedCall, Scalar
from fleche_like.calls.record import decode_record, decode_result, encode_record
from fleche_like.codecs import Buffer, Encoded
from fleche_like.codecs.envelope import seal, unseal, unseal_small
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest
from fleche_like.support.sentinel import Missing

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
    return decode_record(_payload(data, key), key)


def open_result(data: Buffer, key: Digest) -> tuple[Digest | None, Scalar | Missing]:
    """Return of stored bytes only the result: its digest, or its value if that is a scalar.

    Raises:
        DamagedEnvelope: they are not what was stored under ``key``.
    """
    return decode_result(_payload(data, key), key)


def _payload(data: Buffer, key: Digest) -> Buffer:
    small = unseal_small(key, data)
    codec, payload = unseal(key, data)[:2] if small is None else small
    if codec != RECORD:
        raise DamagedEnvelope(
            f"{key} holds a {codec} envelope, not a call record",
            key=key,
            reason="not a record",
        )
    return payload
