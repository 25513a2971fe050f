"""The format of archives, version 1.

An archive is eight bytes that say what it is, and then frames::

    offset  size  field
         0     8  magic 93 46 4C 41 0D 0A 1A and the version, 01

    a frame:
         0     1  kind, a letter
         1     8  length of what follows, little-endian
         9        the digest that it is about (16 bytes) and its content; of E, content alone

    kind  content
    V     a value: its envelope, as :mod:`fleche_like.codecs.layout` has it, unsigned
    M     the manifest of a code digest: JSON, a list of pairs [part, digest as hex]
    C     a call, by its key: its record, as :mod:`fleche_like.storage.records` has it, unsigned
    E     the end, once and last: JSON, see below

A value comes after the values that it is put together from, a call after its values and the
manifest of its code; each comes once. Calls ascend by their keys. So equal selections of one cache
give equal archives, and reading needs no more memory than one frame takes.

The end is an object: ``calls``, ``values``, ``manifests`` (how many there are), ``functions`` (a
list of [module, name, how many calls]), ``sha256`` of all bytes before the frame of the end, and
``signature``, made over the others by the keys of the cache that was exported, or null.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

MAGIC: Final = b"\x93FLA\r\n\x1a\x01"
"""The first byte is no text; the line ends break when somebody sends the file as text."""

HEAD: Final = struct.Struct("<cQ")
DIGEST_BYTES: Final = 16

VALUE: Final = b"V"
MANIFEST: Final = b"M"
CALL: Final = b"C"
END: Final = b"E"

LONGEST_JSON: Final = 64 * 1024 * 1024
"""Of a manifest, a record, the end: in memory at once."""

SIGNED: Final = b"a"
"""What a signature is of: an archive, and nothing else that the same keys sign."""


def end_bytes(end: dict[str, Any]) -> bytes:
    """Return the JSON of the end, the same bytes for the same content."""
    return json.dumps(end, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
