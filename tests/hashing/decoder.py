"""A reader of the canonical encoding, written from the table in docs/digest.md alone.

It shares no code with the encoder: what it returns is a tree of tuples ``(tag, content)``.
"""

from __future__ import annotations

import struct
from typing import Any

Tree = tuple[Any, ...]


def decode(data: bytes) -> Tree:
    tree, end = _read(data, 0)
    assert end == len(data), f"{len(data) - end} bytes too many"
    return tree


def _length(data: bytes, at: int) -> tuple[int, int]:
    (n,) = struct.unpack_from("<I", data, at)
    if n < 1 << 31:
        return n, at + 4
    assert n == 0xFFFFFFFF
    (n,) = struct.unpack_from("<Q", data, at + 4)
    assert n >= 1 << 31
    return n, at + 12


def _read(data: bytes, at: int) -> tuple[Tree, int]:
    """Read one encoding with an explicit stack of (tag, items, how many are missing)."""
    stack: list[list[Any]] = []
    while True:
        tree, at = _one(data, at, stack)
        while tree is not None:
            if not stack:
                return tree, at
            top = stack[-1]
            top[1].append(tree)
            tree = None
            if top[2] is not None and len(top[1]) == top[2]:
                tree = _finished(stack.pop())
            elif top[2] is None and data[at : at + 1] == b"0" and len(top[1]) % 2 == 0:
                at += 1
                tree = _finished(stack.pop())


def _finished(frame: list[Any]) -> Tree:
    return (frame[0], *frame[1])


def _one(data: bytes, at: int, stack: list[list[Any]]) -> tuple[Tree | None, int]:  # noqa: C901 - a table of tags
    tag = data[at : at + 1].decode("ascii")
    at += 1
    if tag in ("N", "F", "T"):
        return (tag,), at
    if tag == "i":
        return (tag, struct.unpack_from("<i", data, at)[0]), at + 4
    if tag == "l":
        return _long(data, at)
    if tag == "g":
        return (tag, data[at : at + 8]), at + 8
    if tag == "y":
        return (tag, data[at : at + 16]), at + 16
    if tag in ("s", "u"):
        n, at = _length(data, at)
        raw = data[at : at + n]
        assert len(raw) == n
        return (tag, raw if tag == "s" else raw.decode("utf-8", "surrogatepass")), at + n
    if tag == "D":
        return (tag, data[at : at + 16]), at + 16
    if tag in ("(", "[", "<", ">"):
        n, at = _length(data, at)
        if n == 0:
            return (tag,), at
        stack.append([tag, [], n])
        return None, at
    if tag == "{":
        if data[at : at + 1] == b"0":
            return (tag,), at + 1
        stack.append([tag, [], None])
        return None, at
    if tag in ("@", "O"):
        stack.append([tag, [], 2 if tag == "@" else 3])
        return None, at
    raise AssertionError(f"unknown tag {tag!r} at {at - 1}")


def _long(data: bytes, at: int) -> tuple[Tree, int]:
    (count,) = struct.unpack_from("<i", data, at)
    digits = struct.unpack_from(f"<{abs(count)}H", data, at + 4)
    assert digits[-1]
    assert all(d < 1 << 15 for d in digits)
    # Digits of 15 bits, joined as text: base 2 is parsed in linear time.
    number = int("".join(f"{d:015b}" for d in reversed(digits)), 2)
    return ("l", -number if count < 0 else number), at + 4 + 2 * abs(count)


def expected(value: Any) -> Tree:
    """The tree that a plain value must decode to."""
    kind = type(value)
    if value is None:
        return ("N",)
    if kind is bool:
        return ("T" if value else "F",)
    if kind is int:
        return ("i" if -(2**31) <= value < 2**31 else "l", value)
    if kind is float:
        return ("g", struct.pack("<d", value))
    if kind is complex:
        return ("y", struct.pack("<dd", value.real, value.imag))
    if kind is bytes:
        return ("s", value)
    if kind is str:
        return ("u", value)
    if kind is dict:
        return ("{", *(expected(x) for pair in value.items() for x in pair))
    return ("(" if kind is tuple else "[", *map(expected, value))
