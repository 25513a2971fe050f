"""The digest once more, written from docs/digest.md alone and sharing no code with the package.

Slow and short: what a port to another language would look like. It knows the core encodings, a few
kinds and forms, and arrays.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import struct
import types
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import xxhash


def digest(value: Any) -> str:
    encoding = encode(value)
    if encoding[:1] == b"D":
        return encoding[1:].hex()
    return xxhash.xxh3_128(encoding).hexdigest()


def encode(value: Any) -> bytes:
    known = CORE.get(type(value))
    if known is not None:
        return known(value)
    if type(value) in KINDS:
        name, payload = KINDS[type(value)]
        return b"@" + text(name) + encode(payload(value))
    if isinstance(value, np.ndarray):
        return array(value)
    cls = type(value)
    head = b"O" + text(cls.__module__) + text(cls.__qualname__)
    return head + encode(form(value))


def form(value: Any) -> Any:
    """The payload of an object."""
    if isinstance(value, enum.Flag):
        return "flag", value.value
    if isinstance(value, enum.Enum):
        return "enum", value.name, value.value
    base: Any
    for base in (dict, list, tuple, int):
        if isinstance(value, base):
            return "subclass", getattr(value, "_fields", None), base(value), state(value)
    return "state", (), None, state(value)


def state(value: Any) -> Any:
    if hasattr(type(value), "__slots__") and dataclasses.is_dataclass(value):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return getattr(value, "__dict__", None) or None


def count(n: int) -> bytes:
    return struct.pack("<I", n) if n < 2**31 else b"\xff\xff\xff\xff" + struct.pack("<Q", n)


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"u" + count(len(raw)) + raw


def integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"i" + struct.pack("<i", value)
    digits, rest = [], abs(value)
    while rest:
        digits.append(rest % 2**15)
        rest //= 2**15
    sign = 1 if value > 0 else -1
    return b"l" + struct.pack("<i", sign * len(digits)) + struct.pack(f"<{len(digits)}H", *digits)


def listed(tag: bytes, items: list[bytes]) -> bytes:
    return tag + count(len(items)) + b"".join(items)


def array(value: Any) -> bytes:
    preimage = b"A" + text("numpy.ndarray") + encode((value.dtype.str, value.shape))
    return b"D" + xxhash.xxh3_128(preimage + value.tobytes("C")).digest()


CORE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda v: b"T" if v else b"F",
    int: integer,
    float: lambda v: b"g" + struct.pack("<d", v),
    complex: lambda v: b"y" + struct.pack("<dd", v.real, v.imag),
    str: text,
    bytes: lambda v: b"s" + count(len(v)) + v,
    tuple: lambda v: listed(b"(", [encode(x) for x in v]),
    list: lambda v: listed(b"[", [encode(x) for x in v]),
    dict: lambda v: b"{" + b"".join(encode(k) + encode(x) for k, x in v.items()) + b"0",
    set: lambda v: listed(b"<", sorted(map(encode, v))),
    frozenset: lambda v: listed(b">", sorted(map(encode, v))),
}

KINDS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytearray: ("builtins.bytearray", bytes),
    range: ("builtins.range", lambda v: (v.start, v.stop, v.step)),
    slice: ("builtins.slice", lambda v: (v.start, v.stop, v.step)),
    decimal.Decimal: (
        "decimal.Decimal",
        lambda v: (v.as_tuple()[0], "".join(map(str, v.as_tuple()[1])), v.as_tuple()[2]),
    ),
    fractions.Fraction: ("fractions.Fraction", lambda v: (v.numerator, v.denominator)),
    dt.date: ("datetime.date", lambda v: (v.year, v.month, v.day)),
    dt.timedelta: ("datetime.timedelta", lambda v: (v.days, v.seconds, v.microseconds)),
    dt.datetime: (
        "datetime.datetime",
        lambda v: (*v.timetuple()[:6], v.microsecond, v.fold, v.tzinfo),
    ),
    uuid.UUID: ("uuid.UUID", lambda v: (v.int, v.is_safe.value)),
    pathlib.PurePosixPath: ("pathlib.PurePosixPath", str),
    collections.deque: ("collections.deque", lambda v: (v.maxlen, list(v))),
    collections.OrderedDict: ("collections.OrderedDict", lambda v: list(v.items())),
    collections.Counter: ("collections.Counter", dict),
    types.SimpleNamespace: ("types.SimpleNamespace", lambda v: v.__dict__),
}
