"""Built-in types and those of the standard library that are data, for the safe codec."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fleche_like.codecs.safe import Json, Reader, Writer, tagged
from fleche_like.errors import EncodeError
from fleche_like.hashing import Digest

Encode = Callable[[Any, Writer], Json]
Decode = Callable[[Json, Reader], Any]


def encoder_of(kind: type) -> Encode | None:
    """Return what encodes the values of exactly this class, if anything does."""
    return _ENCODERS.get(kind)


def decoder_of(tag: str) -> Decode | None:
    """Return what decodes a tag."""
    return _DECODERS.get(tag)


# --- containers ---


def _encode_dict(value: dict[Any, Any], writer: Writer) -> Json:
    return tagged("dict", v=[[writer.node(name), writer.node(v)] for name, v in value.items()])


def _decode_dict(node: Json, reader: Reader) -> dict[Any, Any]:
    return {reader.value(name): reader.value(item) for name, item in node["v"]}


def _sequence(tag: str, make: Callable[[list[Any]], Any]) -> tuple[Encode, Decode]:
    def encode(value: Any, writer: Writer) -> Json:
        return tagged(tag, v=writer.items(list(value)))

    def decode(node: Json, reader: Reader) -> Any:
        return make(reader.items(node["v"]))

    return encode, decode


def _fields(tag: str, make: Callable[..., Any], *names: str) -> tuple[Encode, Decode]:
    """Return how to write an object that its constructor makes of a few attributes."""

    def encode(value: Any, writer: Writer) -> Json:
        return tagged(tag, v=[writer.node(getattr(value, name)) for name in names])

    def decode(node: Json, reader: Reader) -> Any:
        return make(*reader.items(node["v"]))

    return encode, decode


# --- numbers and bytes ---


def _encode_bytes(value: bytes, writer: Writer) -> Json:
    return tagged("bytes", n=writer.block(value))


def _encode_bytearray(value: bytearray, writer: Writer) -> Json:
    return tagged("bytearray", n=writer.block(memoryview(value)))


def _encode_int(value: int, _writer: Writer) -> Json:
    return tagged("int", v=hex(value))


def _encode_float(value: float, _writer: Writer) -> Json:
    return tagged("float", v=struct.pack("<d", value).hex())


def _decode_float(node: Json, _reader: Reader) -> float:
    return float(struct.unpack("<d", bytes.fromhex(node["v"]))[0])


def _spelled(tag: str, make: Callable[[str], Any]) -> tuple[Encode, Decode]:
    def encode(value: Any, _writer: Writer) -> Json:
        return tagged(tag, v=str(value))

    def decode(node: Json, _reader: Reader) -> Any:
        return make(_text(node["v"]))

    return encode, decode


def _text(item: Json) -> str:
    if type(item) is not str:
        raise TypeError("no text where one is needed")
    return item


# --- moments ---


def _encode_zone(zone: tzinfo | None) -> Json:
    match zone:
        case None:
            return None
        case ZoneInfo(key=str() as key) if type(zone) is ZoneInfo:
            return key
        case timezone():
            offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]  # what pickle asks
            return [offset.days, offset.seconds, offset.microseconds, *name]
    kind = type(zone).__qualname__
    raise EncodeError(f"the safe codec cannot hold a time zone of type {kind}", kind=kind)


def _decode_zone(node: Json) -> tzinfo | None:
    if node is None:
        return None
    if type(node) is str:
        return ZoneInfo(node)
    days, seconds, microseconds, *name = node
    return timezone(timedelta(days, seconds, microseconds), *map(_text, name))


def _moment(tag: str, make: Callable[[str], Any]) -> tuple[Encode, Decode]:
    def encode(value: Any, _writer: Writer) -> Json:
        bare = value.replace(tzinfo=None).isoformat()
        return tagged(tag, v=bare, z=_encode_zone(value.tzinfo), f=value.fold)

    def decode(node: Json, _reader: Reader) -> Any:
        bare = make(_text(node["v"]))
        return bare.replace(tzinfo=_decode_zone(node["z"]), fold=node["f"])

    return encode, decode


def _encode_date(value: date, _writer: Writer) -> Json:
    return tagged("date", v=value.isoformat())


_ENCODERS: Final[dict[type, Encode]] = {
    dict: _encode_dict,
    bytes: _encode_bytes,
    bytearray: _encode_bytearray,
    int: _encode_int,
    float: _encode_float,
    date: _encode_date,
    type(Ellipsis): lambda _value, _writer: tagged("ellipsis"),
}
_DECODERS: Final[dict[str, Decode]] = {
    "dict": _decode_dict,
    "bytes": lambda node, reader: bytes(reader.block(node["n"])),
    "bytearray": lambda node, reader: bytearray(reader.block(node["n"])),
    "int": lambda node, _reader: int(_text(node["v"]), 16),
    "float": _decode_float,
    "date": lambda node, _reader: date.fromisoformat(_text(node["v"])),
    "ellipsis": lambda _node, _reader: Ellipsis,
}

for _kind, _name, _pair in (
    (tuple, "tuple", _sequence("tuple", tuple)),
    (set, "set", _sequence("set", set)),
    (frozenset, "frozenset", _sequence("frozenset", frozenset)),
    (complex, "complex", _fields("complex", complex, "real", "imag")),
    (range, "range", _fields("range", range, "start", "stop", "step")),
    (slice, "slice", _fields("slice", slice, "start", "stop", "step")),
    (
        timedelta,
        "timedelta",
        _fields("timedelta", timedelta, "days", "seconds", "microseconds"),
    ),
    (Fraction, "fraction", _fields("fraction", Fraction, "numerator", "denominator")),
    (Decimal, "decimal", _spelled("decimal", Decimal)),
    (UUID, "uuid", _spelled("uuid", UUID)),
    (Digest, "digest", _spelled("digest", Digest)),
    (datetime, "datetime", _moment("datetime", datetime.fromisoformat)),
    (time, "time", _moment("time", time.fromisoformat)),
):
    _ENCODERS[_kind], _DECODERS[_name] = _pair
