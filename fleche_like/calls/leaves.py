"""Scalars as JSON and back, exactly: type, sign of zero, NaN payload, zone, fold, surrogates."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from fleche_like.calls.scalars import Scalar
from fleche_like.support.sentinel import MISSING, Missing

Json: TypeAlias = Any

#: JSON numbers in decimal up to here; longer ones in hexadecimal, which takes linear time and is
#: not limited by ``sys.set_int_max_str_digits``.
_MAX_DECIMAL_BITS: Final = 512
_MICROSECOND: Final = timedelta(microseconds=1)

#: JSON that is no scalar as it stands.
CONTAINERS: Final = frozenset({dict, list})
#: Types whose values are their own JSON. An ``int`` or a ``float`` may not be.
_PLAIN: Final = frozenset({str, bool, type(None)})


def to_json(value: Scalar) -> Json:
    """Return a scalar as JSON: itself where that is exact, else an object with a one-letter tag.

    >>> to_json(0.1), to_json(float("inf"))
    (0.1, {'f': '7ff0000000000000'})
    """
    kind = type(value)
    if kind in _PLAIN or (kind is float and -math.inf < value < math.inf):  # type: ignore[operator]
        return value
    return _ENCODERS[kind](value)


def from_json(item: Json) -> Scalar | Missing:
    """Return the scalar of ``to_json``; ``MISSING`` if its time zone is not known here.

    Raises:
        ValueError: this is no such JSON.
    """
    if type(item) not in CONTAINERS:
        scalar: Scalar = item
        return scalar
    tags = [tag for tag in item if tag in _DECODERS]
    if len(tags) != 1:
        raise ValueError(f"no scalar: {sorted(item)[:5]}")
    return _DECODERS[tags[0]](item)


def names_a_zone(value: Scalar) -> bool:
    """Return whether reading the value back depends on the time zone database of the reader."""
    return type(value) is datetime and type(value.tzinfo) is ZoneInfo


def _from_int(value: int) -> Json:
    return value if value.bit_length() <= _MAX_DECIMAL_BITS else {"i": f"{value:x}"}


def _from_float(value: float) -> Json:
    return value if math.isfinite(value) else {"f": struct.pack(">d", value).hex()}


def _from_datetime(value: datetime) -> Json:
    zone: Any = value.tzinfo
    if zone is UTC and not value.fold:  # as nearly every one
        return {"d": value.isoformat()}
    if type(zone) is timezone and not value.fold and _is_told_by_iso(zone):
        return {"d": value.isoformat()}  # which says it all
    item: dict[str, Json] = {"d": value.replace(tzinfo=None).isoformat()}
    if value.fold:
        item["fold"] = 1
    if type(zone) is ZoneInfo:
        item["zone"] = zone.key
    elif zone is not None:
        offset, *name = zone.__getinitargs__()
        item["zone"] = [offset // _MICROSECOND, *name]
    return item


def _to_int(item: dict[str, Json]) -> int:
    return int(_text(item["i"]), 16)


def _is_told_by_iso(zone: Any) -> bool:
    """Whether a fixed zone has no name of its own, and an offset that parsers of text keep.

    An offset under a second is taken for UTC by some versions of ``fromisoformat``.
    """
    offset, *name = zone.__getinitargs__()
    return not name and not offset.microseconds


def _to_float(item: dict[str, Json]) -> float:
    (value,) = struct.unpack(">d", bytes.fromhex(_text(item["f"])))
    return float(value)


def _to_datetime(item: dict[str, Json]) -> datetime | Missing:
    clock = datetime.fromisoformat(_text(item["d"]))
    zone = item.get("zone")
    fold = 1 if item.get("fold") else 0
    if isinstance(zone, list):
        offset, *name = zone
        return clock.replace(tzinfo=timezone(offset * _MICROSECOND, *name), fold=fold)
    if zone is None:
        return clock.replace(fold=fold)
    try:
        return clock.replace(tzinfo=ZoneInfo(_text(zone)), fold=fold)
    except (KeyError, ValueError, OSError):  # not in the reader's database, or no name at all
        return MISSING


def _text(item: Json) -> str:
    if type(item) is not str:
        raise ValueError("text expected")
    return item


_ENCODERS: Final[dict[type, Callable[[Any], Json]]] = {
    int: _from_int,
    float: _from_float,
    datetime: _from_datetime,
}
_DECODERS: Final[dict[str, Callable[[dict[str, Json]], Scalar | Missing]]] = {
    "i": _to_int,
    "f": _to_float,
    "d": _to_datetime,
}
