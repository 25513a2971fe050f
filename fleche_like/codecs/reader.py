"""Opening an envelope from a file, so that large buffers are read once, into their last place."""

from __future__ import annotations

import os
from typing import BinaryIO, Final

import xxhash

from fleche_like.codecs.base import Buffer
from fleche_like.codecs.envelope import Sealed, verify_head, verify_signature
from fleche_like.codecs.layout import (
    HEAD_SIZE,
    Entry,
    Head,
    check_buffer,
    check_padding,
    damaged,
    read_head,
    read_table,
)
from fleche_like.codecs.memory import allocate
from fleche_like.codecs.signing import Signer

# Hashing right behind the read finds the bytes still in the processor's cache.
_CHUNK_BYTES: Final = 1 << 20


def unseal_file(key: str, file: BinaryIO, signer: Signer | None = None) -> Sealed:
    """Read and verify an envelope from a file, at most once over its bytes.

    Args:
        key: the key that it is stored under.
        file: open for reading bytes, seekable, with ``readinto``; unbuffered is fastest. It is
            read from its beginning, and left open.
        signer: requires a signature, over all that was read.

    Returns:
        The payload, and each buffer in writable memory of its own.

    Raises:
        DamagedEnvelope: cut short, altered, or another key's. What a header claims is compared
            with the file's size before memory is asked for.
        UnknownFormat: written by a later release.
        UntrustedEnvelope: not signed, or by nobody known.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start, head = _read_start(key, file, size)
    view = memoryview(start)
    entries = read_table(key, view[head.table_start : head.payload_start], head.payload_end, size)
    name = str(view[HEAD_SIZE : head.name_end], "latin-1")
    payload = view[head.payload_start : head.payload_end]
    buffers = _read_buffers(key, file, head.payload_end, entries)
    if signer is not None:
        # What lies in our memory: a file could still change after it was looked at.
        verify_signature(key, head, view, buffers, signer)
    return Sealed(name, payload, buffers)


def _read_start(key: str, file: BinaryIO, size: int) -> tuple[bytearray, Head]:
    """Read and verify all up to the first buffer."""
    start = bytearray(min(size, HEAD_SIZE))
    _read_into(key, file, memoryview(start))
    head = read_head(key, start, size)
    rest = bytearray(head.payload_end - HEAD_SIZE)
    _read_into(key, file, memoryview(rest))
    start += rest
    verify_head(key, head, start)
    return start, head


def _read_buffers(key: str, file: BinaryIO, end: int, entries: list[Entry]) -> list[Buffer]:
    buffers: list[Buffer] = []
    for number, entry in enumerate(entries):
        padding = bytearray(entry.start - end)
        _read_into(key, file, memoryview(padding))
        check_padding(key, padding)
        buffers.append(_read_buffer(key, file, number, entry))
        end = entry.end
    return buffers


def _read_buffer(key: str, file: BinaryIO, number: int, entry: Entry) -> memoryview:
    buffer = allocate(entry.end - entry.start)
    hasher = xxhash.xxh3_128()
    for offset in range(0, len(buffer), _CHUNK_BYTES):
        chunk = buffer[offset : offset + _CHUNK_BYTES]
        _read_into(key, file, chunk)
        hasher.update(chunk)
    check_buffer(key, number, entry, hasher.digest())
    return buffer


def _read_into(key: str, file: BinaryIO, target: memoryview) -> None:
    """Fill ``target``; one read may bring less than was asked for."""
    while target:
        count = file.readinto(target)  # type: ignore[attr-defined]  # BinaryIO does not declare it
        if not count:
            raise damaged(key, "the file became shorter while it was read")
        target = target[count:]
