"""Scalars: the few kinds of value that calls carry inline and queries can compare.

A *scalar* is a value of exactly one of the types ``bool``, ``int``, ``float``, ``str``,
``datetime`` and ``NoneType``, small enough to be kept in a record. A *view* is the scalar that a
value of a related type (``np.float64``, an ``IntEnum`` member, a ``str`` subclass) equals without
loss: good for comparing, never a substitute for the value itself.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, TypeAlias, TypeGuard
from zoneinfo import ZoneInfo

from fleche_like.support.sentinel import MISSING, Missing

Scalar: TypeAlias = bool | int | float | str | datetime | None

#: Longer text, and integers of more bits, are values like any other: stored once by digest,
#: compared by it, and not copied into every record.
MAX_TEXT_LENGTH: Final = 65_536
MAX_INT_BITS: Final = 65_536

_PLAIN_TYPES: Final = frozenset({bool, float, type(None)})
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  naive on purpose: arithmetic without zones
_MICROSECOND: Final = timedelta(microseconds=1)


def is_scalar(value: object) -> TypeGuard[Scalar]:
    """Return whether ``value`` is a scalar, by its exact type: ``np.float64`` is none.

    >>> is_scalar(True), is_scalar("a"), is_scalar(None), is_scalar((1,)), is_scalar("a" * 10**6)
    (True, True, True, False, False)
    """
    kind: type = type(value)
    if kind in _PLAIN_TYPES:
        return True
    fits = _FITS.get(kind)
    return fits is not None and fits(value)


def has_known_zone(value: datetime) -> bool:
    """Return whether the zone is one that a record can name: none, fixed, or of the tz database."""
    zone = value.tzinfo
    if zone is None or type(zone) is timezone:
        return True
    return type(zone) is ZoneInfo and isinstance(zone.key, str)


def scalar_view(value: object) -> Scalar | Missing:
    """Return the scalar that compares like ``value``, or ``MISSING`` if there is none.

    A scalar is its own view.

    >>> import http
    >>> scalar_view(http.HTTPStatus.OK), scalar_view([1])
    (200, MISSING)
    """
    if is_scalar(value):
        return value
    kind: Any = type(value)
    convert = _converter(kind)
    return MISSING if convert is None else _converted(convert, value)


def instant_us(value: datetime) -> int:
    """Return microseconds since 1970: in UTC for an aware datetime, on its own clock for a naive.

    Exact, never out of range, and with ``fold`` taken into account. Aware and naive ones are not
    to be compared with each other.

    >>> instant_us(datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    0
    """
    offset = value.utcoffset() or timedelta()
    return (value.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND


def is_nan(value: object) -> bool:
    """Return whether ``value`` is a float that is not a number."""
    return type(value) is float and math.isnan(value)


def _fits_text(value: str) -> bool:
    return len(value) <= MAX_TEXT_LENGTH


def _fits_int(value: int) -> bool:
    return value.bit_length() <= MAX_INT_BITS


_FITS: Final[dict[type, Callable[[Any], bool]]] = {
    str: _fits_text,
    int: _fits_int,
    datetime: has_known_zone,
}


def _converted(convert: Callable[[Any], Any], value: object) -> Scalar | Missing:
    try:
        view = convert(value)
        # Lossless or nothing: a Timestamp with nanoseconds and a long double have no view.
        return view if is_scalar(view) and (is_nan(view) or bool(view == value)) else MISSING
    except Exception:  # noqa: BLE001  foreign __int__, __eq__ may raise anything: then it has none
        return MISSING


@functools.lru_cache(maxsize=512)
def _converter(kind: Any) -> Callable[[Any], Any] | None:
    if issubclass(kind, str):
        return str.__str__
    if kind.__module__ == "numpy" and kind.__name__ in {"bool", "bool_"}:
        return bool
    if issubclass(kind, numbers.Integral):
        return int
    if issubclass(kind, numbers.Real) and not issubclass(kind, numbers.Rational):
        return float
    return _plain_datetime if issubclass(kind, datetime) else None


def _plain_datetime(value: datetime) -> datetime:
    zone = value.tzinfo
    if zone is not None and not has_known_zone(value):
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=instant_us(value))
    return datetime.combine(value.date(), value.time(), zone)
