"""Sealing: bytes that say which codec wrote them, under which key, and whether they are intact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import xxhash

from fleche_like.codecs.base import Buffer, Encoded
from fleche_like.codecs.layout import (
    COVERED,
    FIELDS,
    HEAD_SIZE,
    JOIN_BYTES,
    MAGIC,
    SIGNED,
    Entry,
    Head,
    aligned,
    check_buffer,
    check_head,
    check_padding,
    checksum,
    damaged,
    read_head,
    read_table,
    write_table,
)
from fleche_like.codecs.signing import SIGNATURE_SIZE, VALUE, Signer, refuse

_PAYLOAD_SIZE_START: Final = HEAD_SIZE - 8
# No flags, no compression, a name, no extension, no buffers: the fields of a small envelope, as
# bytes, and the length of the name in them.
_PLAIN_NAME_SIZES: Final = {FIELDS.pack(0, 0, n, 0, 0, 0)[:-8]: n for n in range(1, 17)}


class Sealed(NamedTuple):
    """What an envelope holds; ``payload`` and ``buffers`` may be views into what was opened."""

    codec: str
    payload: Buffer
    buffers: Sequence[Buffer]


def seal(key: str, codec: str, encoded: Encoded, signer: Signer | None = None) -> list[Buffer]:
    """Put an encoded object into an envelope for one storage key.

    Args:
        key: the key it will be stored under; the checksum covers it.
        codec: the codec's name, 1 to 16 ASCII characters.
        encoded: what the codec made; buffers are flat and contiguous.
        signer: signs it.

    Returns:
        The parts to write one after the other. Small envelopes are one part. Large payloads and
        buffers are not copied, so write them before the object changes.

    >>> [bytes(part) for part in seal("k", "pickle", Encoded(b"N."))][0][-8:]
    b'pickleN.'
    """
    payload, buffers = encoded
    if signer is not None:
        return _seal_signed(key, codec, encoded, signer)
    fields = FIELDS.pack(0, 0, len(codec), 0, len(buffers), len(payload)) + codec.encode()
    if buffers:
        return _seal_with_buffers(key, fields + write_table(buffers), payload, buffers)
    if len(payload) < JOIN_BYTES:
        covered = fields + payload
        return [MAGIC + checksum(key, covered) + covered]
    return [MAGIC + checksum(key, fields, payload) + fields, payload]


def unseal(
    key: str, data: Buffer, *, verify_buffers: bool = True, signer: Signer | None = None
) -> Sealed:
    """Open an envelope that lies in memory, copying nothing.

    Args:
        key: the key that it is stored under.
        data: the whole envelope.
        verify_buffers: also check each buffer, which reads all of it. Everything else is always
            checked.
        signer: requires a signature, over all of it.

    Raises:
        DamagedEnvelope: cut short, altered, or another key's.
        UnknownFormat: written by a later release.
        UntrustedEnvelope: not signed, or by nobody known.
    """
    size = len(data)
    head = read_head(key, data, size)
    verify_head(key, head, data)
    view = memoryview(data)
    # It is ASCII; what somebody made up is no codec's name then, rather than another error.
    name = str(view[HEAD_SIZE : head.name_end], "latin-1")
    payload = view[head.payload_start : head.payload_end]
    entries = read_table(key, view[head.table_start : head.payload_start], head.payload_end, size)
    buffers: Sequence[Buffer] = ()
    if entries:
        buffers = _buffers(key, view, head, entries, verify=verify_buffers)
    if signer is not None:
        verify_signature(key, head, view, buffers, signer)
    return Sealed(name, payload, buffers)


def unseal_small(key: str, data: Buffer) -> tuple[str, Buffer] | None:
    """Return codec name and payload of a small sound envelope that holds nothing else.

    A fast path for what every hit on a small value pays: a fifth of :func:`unseal`, its plain twin.
    Whatever is odd gives None, and is left to that to judge.
    """
    if type(data) is not bytes:
        return None
    # The checksum covers all that follows it: if it holds, every length below is what was written.
    size = _PLAIN_NAME_SIZES.get(data[COVERED:_PAYLOAD_SIZE_START])
    if size is None or data[:4] != MAGIC or len(data) >= JOIN_BYTES:
        return None
    name = key.encode("utf-8", "surrogatepass")
    if xxhash.xxh3_128_digest(name + data[COVERED:], len(name)) != data[4:COVERED]:
        return None
    start = HEAD_SIZE + size
    return str(data[HEAD_SIZE:start], "latin-1"), data[start:]


def verify_head(key: str, head: Head, data: Buffer) -> None:
    """Check all of an envelope up to its buffers.

    Raises:
        DamagedEnvelope: altered, or another key's.
        UnknownFormat: written by a later release.
    """
    view = memoryview(data) if head.payload_end > JOIN_BYTES else data
    if checksum(key, view[COVERED : head.payload_end]) != data[4:COVERED]:
        raise damaged(key, "its checksum does not match: altered, or stored under another key")
    check_head(key, head)


def verify_signature(
    key: str, head: Head, start: memoryview, buffers: Sequence[Buffer], signer: Signer
) -> None:
    """Check who wrote an envelope.

    Args:
        key: the key that it is stored under.
        head: its verified head.
        start: all of it up to its buffers, or more.
        buffers: their contents.
        signer: knows the keys.

    Raises:
        UntrustedEnvelope: it is not signed, or by nobody known.
    """
    if not head.flags & SIGNED:
        refuse(key, "it is not signed")
    signature = start[head.name_end : head.table_start]
    fields, rest = start[COVERED : head.name_end], start[head.table_start : head.payload_end]
    signer.verify(signature, VALUE, key, (fields, rest, *buffers))


def _buffers(
    key: str, view: memoryview, head: Head, entries: list[Entry], *, verify: bool
) -> list[Buffer]:
    end = head.payload_end
    for entry in entries:
        check_padding(key, view[end : entry.start])
        end = entry.end
    buffers: list[Buffer] = [view[entry.start : entry.end] for entry in entries]
    if verify:
        for number, (entry, buffer) in enumerate(zip(entries, buffers, strict=True)):
            check_buffer(key, number, entry, xxhash.xxh3_128_digest(buffer))
    return buffers


def _seal_signed(key: str, codec: str, encoded: Encoded, signer: Signer) -> list[Buffer]:
    payload, buffers = encoded
    sizes = (len(codec), SIGNATURE_SIZE, len(buffers), len(payload))
    fields = FIELDS.pack(SIGNED, 0, *sizes) + codec.encode()
    table = write_table(buffers)
    signature = signer.sign(VALUE, key, (fields, table, payload, *buffers))
    parts = _seal_with_buffers(key, fields + signature + table, payload, buffers)
    return [b"".join(parts)] if not buffers and len(payload) < JOIN_BYTES else parts


def _seal_with_buffers(
    key: str, start: bytes, payload: Buffer, buffers: Sequence[Buffer]
) -> list[Buffer]:
    head = MAGIC + checksum(key, start, payload) + start
    parts: list[Buffer] = [head, payload]
    end = len(head) + len(payload)
    for buffer in buffers:
        begin = aligned(end)
        parts += (bytes(begin - end), buffer)
        end = begin + len(buffer)
    return parts
