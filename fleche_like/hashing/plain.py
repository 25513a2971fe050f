"""Scalars encoded in plain Python, byte by byte as :mod:`.tags` defines them.

This is the twin of what :mod:`.bulk` lets C code do: the definition that a property test holds it
to, and the way out where marshal refuses (a string of 2 GiB) or writes something else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from fleche_like.hashing import tags

_BLOCK_BITS = 120
_BLOCK_BYTES = 15
_DIGITS_PER_BLOCK = 8
_DIGIT_BITS = 15


def scalar(value: Any) -> bytes:
    r"""Return the encoding of a value whose exact type is in :data:`.tags.SCALARS`.

    >>> scalar(1), scalar("é")
    (b'i\x01\x00\x00\x00', b'u\x02\x00\x00\x00\xc3\xa9')
    """
    if value is None:
        return tags.NONE
    if value is True or value is False:
        return tags.TRUE if value else tags.FALSE
    return _SCALARS[type(value)](value)


def integer(value: int) -> bytes:
    """Return the encoding of an ``int``: 32 bits if it fits, else 15-bit digits."""
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return tags.INT + value.to_bytes(4, "little", signed=True)
    digits = _digits(abs(value))
    count = -len(digits) if value < 0 else len(digits)
    return tags.LONG + struct.pack(f"<i{len(digits)}H", count, *digits)


def _digits(magnitude: int) -> list[int]:
    """Return base 2**15 digits, least significant first; linear, unlike repeated division."""
    blocks = -(-magnitude.bit_length() // _BLOCK_BITS)
    raw = magnitude.to_bytes(blocks * _BLOCK_BYTES, "little")
    digits = []
    for start in range(0, len(raw), _BLOCK_BYTES):
        block = int.from_bytes(raw[start : start + _BLOCK_BYTES], "little")
        digits += [block >> _DIGIT_BITS * i & 0x7FFF for i in range(_DIGITS_PER_BLOCK)]
    while not digits[-1]:
        digits.pop()
    return digits


def text(value: str) -> bytes:
    """Return the encoding of a ``str``."""
    raw = value.encode("utf-8", "surrogatepass")
    return tags.STR + tags.length(len(raw)) + raw


def binary(value: bytes) -> bytes:
    """Return the encoding of ``bytes``."""
    return tags.BYTES + tags.length(len(value)) + value


def _float(value: float) -> bytes:
    return tags.FLOAT + struct.pack("<d", value)


def _complex(value: complex) -> bytes:
    return tags.COMPLEX + struct.pack("<dd", value.real, value.imag)


_SCALARS: dict[type, Callable[[Any], bytes]] = {
    int: integer,
    float: _float,
    complex: _complex,
    str: text,
    bytes: binary,
}
