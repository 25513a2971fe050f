"""Call records as sealed bytes, bound to the key of the call.

::

    offset  size  field
         0     2  magic 93 52
         2    16  XXH3-128 of the key's ASCII bytes and the payload, seeded with the key's length
        18        payload: the record, as :mod:`fleche_like.calls.record` describes it

A record is small and there are many, so it has no fields that say the same in every one. Records
in the general envelope of :mod:`fleche_like.codecs`, as the first release wrote them, are read too.
"""

from __future__ import annotations

from typing import Final

from fleche_like.calls import DigestedCall, Scalar
from fleche_like.calls.record import decode_record, decode_result, encode_record
from fleche_like.codecs import Buffer
from fleche_like.codecs.envelope import unseal
from fleche_like.codecs.layout import checksum
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest
from fleche_like.support.sentinel import Missing

MAGIC: Final = b"\x93R"

RECORD: Final = "record"
"""The name in general envelopes of call records."""

_START: Final = 18


def seal_record(call: DigestedCall) -> bytes:
    """Return the bytes to store for a call under its key."""
    payload = encode_record(call)
    return b"".join((MAGIC, checksum(call.key, payload), payload))


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
    if data[:2] != MAGIC:
        return _enveloped(data, key)
    payload = data[_START:]
    if checksum(key, payload) != data[2:_START]:
        raise _damaged(key, "its checksum does not match: altered, or stored under another key")
    return payload


def _enveloped(data: Buffer, key: Digest) -> Buffer:
    codec, payload = unseal(key, data)[:2]
    if codec != RECORD:
        raise _damaged(key, f"a {codec} envelope and no record")
    return payload


def _damaged(key: Digest, reason: str) -> DamagedEnvelope:
    return DamagedEnvelope(f"{key} holds no sound record: {reason}", key=key, reason=reason)
