"""A writer of what :mod:`tests.hashing.decoder` read, from the table in docs/digest.md alone."""

from __future__ import annotations

import struct
from typing import Any


def write(root: Any) -> bytes:
    """Write a tree of ``(tag, content…)``; iterative, for trees may be deep."""
    out: list[bytes] = []
    todo: list[Any] = [root]
    while todo:
        part = todo.pop()
        if isinstance(part, bytes):
            out.append(part)
            continue
        tag, *content = part
        if tag in ("(", "[", "<", ">"):
            out.append(tag.encode() + _length(len(content)))
            todo += reversed(content)
        elif tag in ("{", "@", "O"):
            out.append(tag.encode())
            todo += [b"0"] if tag == "{" else []
            todo += reversed(content)
        else:
            out.append(tag.encode() + _leaf(tag, *content))
    return b"".join(out)


def _length(n: int) -> bytes:
    return struct.pack("<I", n) if n < 1 << 31 else b"\xff" * 4 + struct.pack("<Q", n)


def _leaf(tag: str, content: Any = b"") -> bytes:
    if tag == "i":
        return struct.pack("<i", content)
    if tag == "l":
        return _long(content)
    if tag == "u":
        content = content.encode("utf-8", "surrogatepass")
    return _length(len(content)) + content if tag in ("s", "u") else content


def _long(number: int) -> bytes:
    bits = f"{abs(number):b}"
    bits = bits.zfill(-(-len(bits) // 15) * 15)
    digits = [int(bits[at : at + 15], 2) for at in range(0, len(bits), 15)][::-1]
    return struct.pack(f"<i{len(digits)}H", -len(digits) if number < 0 else len(digits), *digits)
