"""Call records as sealed bytes, bound to the key of the call.

::

    offset  size  field
         0     2  magic 93 52
         2    16  XXH3-128 of the key's ASCII bytes and the payload, seeded with the key's length
        18        payload: the record, as :mod:`fleche_like.calls.record` describes it

A signed one has, with the magic 93 53, a signature (see :mod:`fleche_like.codecs.signing`) between
the checksum and the payload; the checksum is over both, so that damage is told without keys too.

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
from fleche_like.codecs.signing import RECORD as RECORD_KIND
from fleche_like.codecs.signing import SIGNATURE_SIZE, Signer, refuse
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest
from fleche_like.support.sentinel import Missing

MAGIC: Final = b"\x93R"
SIGNED_MAGIC: Final = b"\x93S"

RECORD: Final = "record"
"""The name in general envelopes of call records."""

_START: Final = 18


def seal_record(call: DigestedCall, signer: Signer | None = None) -> bytes:
    """Return the bytes to store for a call under its key, signed if there is a signer."""
    payload = encode_record(call)
    if signer is not None:
        signed = signer.sign(RECORD_KIND, call.key, (payload,)) + payload
        return b"".join((SIGNED_MAGIC, checksum(call.key, signed), signed))
    return b"".join((MAGIC, checksum(call.key, payload), payload))


def open_record(data: Buffer, key: Digest, signer: Signer | None = None) -> DigestedCall:
    """Return the call of stored bytes.

    Raises:
        DamagedEnvelope: they are not what was stored under ``key``.
        UntrustedEnvelope: there is a signer, and they are not signed by a key that it knows.
    """
    return decode_record(_payload(data, key, signer), key)


def open_result(
    data: Buffer, key: Digest, signer: Signer | None = None
) -> tuple[Digest | None, Scalar | Missing]:
    """Return of stored bytes only the result: its digest, or its value if that is a scalar.

    Raises:
        DamagedEnvelope: they are not what was stored under ``key``.
        UntrustedEnvelope: there is a signer, and they are not signed by a key that it knows.
    """
    return decode_result(_payload(data, key, signer), key)


def _payload(data: Buffer, key: Digest, signer: Signer | None) -> Buffer:
    if signer is not None:
        return _verified(data, key, signer)
    if data[:2] != MAGIC:
        return _unusual(data, key)
    return _sound(data, key)


def _sound(data: Buffer, key: Digest) -> Buffer:
    content = data[_START:]
    if checksum(key, content) != data[2:_START]:
        raise _damaged(key, "its checksum does not match: altered, or stored under another key")
    return content


def _unusual(data: Buffer, key: Digest) -> Buffer:
    if data[:2] == SIGNED_MAGIC:
        return _sound(data, key)[SIGNATURE_SIZE:]
    return _enveloped(data, key)


def _verified(data: Buffer, key: Digest, signer: Signer) -> Buffer:
    if data[:2] != SIGNED_MAGIC:
        _payload(data, key, None)  # what is damaged is that first of all
        refuse(key, "its record is not signed")
    signed = _sound(data, key)
    payload = signed[SIGNATURE_SIZE:]
    signer.verify(signed[:SIGNATURE_SIZE], RECORD_KIND, key, (payload,))
    return payload


def _enveloped(data: Buffer, key: Digest) -> Buffer:
    codec, payload = unseal(key, data)[:2]
    if codec != RECORD:
        raise _damaged(key, f"a {codec} envelope and no record")
    return payload


def _damaged(key: Digest, reason: str) -> DamagedEnvelope:
    return DamagedEnvelope(f"{key} holds no sound record: {reason}", key=key, reason=reason)
