"""The envelope's fields, lengths and checksums.

All integers are little-endian and unsigned::

    offset  size  field
         0     3  magic 93 46 4C (the first byte is no text in ASCII or UTF-8)
         3     1  version of this layout
         4    16  checksum of bytes [20, end of payload), with the storage key
        20     1  flags: 1 is signed; a set bit that a reader does not know means that it cannot
                  read on
        21     1  compression of payload and buffers: 0 is none
        22     1  length of the codec's name
        23     2  length of the extension
        25     4  number of buffers
        29     8  length of the payload
        37        codec's name (ASCII), extension, buffer table, payload
                  then each buffer, at the next multiple of 64, zeros in between

The buffer table holds, for each buffer, its length (8 bytes) and its checksum (16 bytes). The
extension is room for what a flag or a compression needs: the signature of what is signed (see
:mod:`fleche_like.codecs.signing`), which is over everything else from offset 20 on, contents of
buffers included. Flags and extension of what is not signed are zero; so is every compression.

Checksums are XXH3-128. The one of the header is over the key's UTF-8 bytes followed by the covered
bytes, seeded with the length of the former; so a file under another file's name is damage. It
covers every length and every other checksum. XXH3 guards against accidents, not against people.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import xxhash

from fleche_like.codecs.base import Buffer
from fleche_like.codecs.signing import SIGNATURE_SIZE
from fleche_like.errors import DamagedEnvelope, UnknownFormat

MAGIC: Final = b"\x93FL\x01"
ALIGNMENT: Final = 64
COVERED: Final = 20  # where the bytes begin that the header's checksum is about

SIGNED: Final = 1
"""The flag of an envelope whose extension is its signature."""

FIELDS: Final = struct.Struct("<BBBHIQ")
HEAD_SIZE: Final = COVERED + FIELDS.size
ENTRY: Final = struct.Struct("<Q16s")

# Joining pieces copies, handling them one by one costs calls: about where the two break even.
JOIN_BYTES: Final = 64 * 1024


class Head(NamedTuple):
    """Where the parts of an envelope lie, in bytes from its start."""

    flags: int
    compression: int
    name_end: int
    table_start: int
    payload_start: int
    payload_end: int


class Entry(NamedTuple):
    """One buffer: where it lies, and the checksum it must have."""

    start: int
    end: int
    checksum: bytes


def checksum(key: str, covered: Buffer, rest: Buffer = b"") -> bytes:
    """Return the header's checksum over the key, ``covered`` and ``rest``, in this order."""
    name = key.encode("utf-8", "surrogatepass")
    if not rest and len(covered) < JOIN_BYTES:
        return xxhash.xxh3_128_digest(name + covered, len(name))
    hasher = xxhash.xxh3_128(name, len(name))
    hasher.update(covered)
    hasher.update(rest)
    return hasher.digest()


def read_head(key: str, start: Buffer, size: int) -> Head:
    """Read the fixed fields of an envelope of ``size`` bytes from its first ``HEAD_SIZE`` ones.

    Nothing is verified yet but that all it claims lies within ``size``.

    Raises:
        DamagedEnvelope: it is no envelope, or cut short.
        UnknownFormat: its layout is of another version.
    """
    if size < HEAD_SIZE:
        raise damaged(key, "shorter than a header")
    if start[:4] != MAGIC:
        raise _no_magic(key, bytes(start[:4]))
    flags, compression, name, extension, count, payload = FIELDS.unpack_from(start, COVERED)
    name_end = HEAD_SIZE + name
    table_start = name_end + extension
    payload_start = table_start + count * ENTRY.size
    payload_end = payload_start + payload
    if payload_end > size:
        raise damaged(key, "shorter than its header says")
    return Head(flags, compression, name_end, table_start, payload_start, payload_end)


def read_table(key: str, table: Buffer, payload_end: int, size: int) -> list[Entry]:
    """Read a verified buffer table; the entries fill the envelope exactly.

    Raises:
        DamagedEnvelope: the envelope is longer or shorter than the table says.
    """
    entries = list(_entries(table, payload_end))
    end = entries[-1].end if entries else payload_end
    if end != size:
        raise damaged(key, f"holds {size} bytes where its header says {end}")
    return entries


def check_head(key: str, head: Head) -> None:
    """Refuse verified fields that this version gives no meaning to.

    Raises:
        DamagedEnvelope: it is signed, and not with a signature.
        UnknownFormat: a later release wrote this.
    """
    if head.flags & ~SIGNED or head.compression:
        reason = f"flags {head.flags:#x}, compression {head.compression} are not known here"
        raise UnknownFormat(f"envelope of {key!r}: {reason}", key=key, reason=reason)
    if head.table_start - head.name_end != (SIGNATURE_SIZE if head.flags else 0):
        raise damaged(key, "its signature has a wrong length")


def check_padding(key: str, padding: Buffer) -> None:
    """Require zeros between buffers, so that every single byte of an envelope is accounted for.

    Raises:
        DamagedEnvelope: there is something else.
    """
    if any(padding):
        raise damaged(key, "something is written between its buffers")


def check_buffer(key: str, number: int, entry: Entry, found: bytes) -> None:
    """Compare a buffer's checksum with the one that was found.

    Raises:
        DamagedEnvelope: they differ.
    """
    if found != entry.checksum:
        raise damaged(key, f"the checksum of buffer {number} does not match")


def aligned(offset: int) -> int:
    """Return the next place where a buffer may begin."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def write_table(buffers: Sequence[Buffer]) -> bytes:
    """Return the buffer table; reads every buffer once."""
    return b"".join(ENTRY.pack(len(b), xxhash.xxh3_128_digest(b)) for b in buffers)


def damaged(key: str, reason: str) -> DamagedEnvelope:
    """Return the error for bytes that are not what was stored under ``key``."""
    return DamagedEnvelope(f"envelope of {key!r}: {reason}", key=key, reason=reason)


def _no_magic(key: str, found: bytes) -> DamagedEnvelope | UnknownFormat:
    if found[:3] != MAGIC[:3] or found[3] < MAGIC[3]:
        return damaged(key, "does not begin as an envelope does")
    reason = f"layout version {found[3]} is not known here"
    return UnknownFormat(f"envelope of {key!r}: {reason}", key=key, reason=reason)


def _entries(table: Buffer, end: int) -> Iterator[Entry]:
    for length, digest in ENTRY.iter_unpack(table):
        start = aligned(end)
        end = start + length
        yield Entry(start, end, digest)
