r"""Scalars in typed columns: ``kind``, ``num`` and ``text``.

=========  ==========================================  =====================================
class      ``num``                                     ``text``
=========  ==========================================  =====================================
number     the number                                  NULL
NaN        NULL                                        NULL
text       NULL                                        ``s`` and the text
naive      NULL                                        ``t`` and ISO 8601
aware      NULL                                        ``u`` and ISO 8601 in UTC
bool       NULL                                        ``b0`` or ``b1``
none, or   NULL                                        NULL
no scalar
=========  ==========================================  =====================================

The letter in front keeps the classes apart *inside one index*, so that a range of texts never
meets a date, and no other column has to be looked at. Ten times the rank of the class plus a
detail is the ``kind``.

Within a class the mapping never turns an order round, but it may put two values in one place: an
integer beyond what a double holds, a text that is cut because it is long or holds NUL or a lone
surrogate (which not every database stores), a date at the edge of the calendar. Such values have a
*near* kind. A condition knows by its constant whether a near value can lie just at its edge; only
then has Python to look at those calls again.
"""

from __future__ import annotations

import math
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from fleche_like.calls import Scalar, instant_us
from fleche_like.index.models import TEXT_LENGTH
from fleche_like.support.sentinel import Missing

INT: Final = 0
FLOAT: Final = 1
INT_NEAR: Final = 2
FLOAT_NEAR: Final = 3
INFINITE: Final = 4
NAN: Final = 10
TEXT: Final = 20
TEXT_NEAR: Final = 22
NAIVE: Final = 30
NAIVE_NEAR: Final = 32
AWARE: Final = 40
AWARE_NEAR: Final = 42
OTHER: Final = 50
BOOL: Final = 51
NONE: Final = 52
ABSENT: Final = 53
"""Of a call without a result."""
PARTED: Final = 54
"""No scalar, but everything inside is known: each part has a row of its own."""

NEAR: Final = (INT_NEAR, FLOAT_NEAR, TEXT_NEAR, NAIVE_NEAR, AWARE_NEAR)
RANK_STEP: Final = 10
LAST_RANK: Final = OTHER // RANK_STEP

LARGEST: Final = sys.float_info.max
EXACT_BELOW: Final = 2.0**53
"""Every integer of a smaller size is a double of its own."""

_CUT: Final = re.compile("[\0\ud800-\udfff]")
_AFTER_SURROGATES: Final = "\ue000"
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  naive on purpose: arithmetic without zones
_MICROSECOND: Final = timedelta(microseconds=1)
_CLOCK_LENGTH: Final = len("2026-01-01T00:00:00.000000")
_FIRST_US: Final = instant_us(datetime.min)  # noqa: DTZ901  of any clock
_LAST_US: Final = instant_us(datetime.max)  # noqa: DTZ901

Typed: TypeAlias = tuple[int, float | None, str | None]
"""``kind``, ``num``, ``text``."""

UNTYPED: Final[Typed] = (OTHER, None, None)
KNOWN: Final[Typed] = (PARTED, None, None)
_NONE: Final[Typed] = (NONE, None, None)
_NAN: Final[Typed] = (NAN, None, None)
_BOOLS: Final[dict[bool, Typed]] = {False: (BOOL, None, "b0"), True: (BOOL, None, "b1")}


def typed(value: Scalar | Missing) -> Typed:
    """Return the columns of a scalar; ``MISSING`` is a value that has none.

    >>> typed(3), typed("adam"), typed(True)
    ((0, 3.0, None), (20, None, 'sadam'), (51, None, 'b1'))
    """
    kind = type(value)
    if kind is float:
        return _float(value)  # type: ignore[arg-type]
    if kind is int:
        return _int(value)  # type: ignore[arg-type]
    if kind is str:
        text, near = cut(value)  # type: ignore[arg-type]
        return (TEXT_NEAR if near else TEXT), None, text
    if value is None:
        return _NONE
    if kind is bool:
        return _BOOLS[value]  # type: ignore[index]
    return _datetime(value) if isinstance(value, datetime) else UNTYPED


def cut(value: str) -> tuple[str, bool]:
    """Return the column of a text, and whether it was cut.

    A surrogate becomes the character after all surrogates: what is smaller stays smaller.
    """
    whole = value
    found = None if value.isascii() and "\0" not in value else _CUT.search(value)
    if found is not None:
        value = value[: found.start()] + (_AFTER_SURROGATES if found.group() != "\0" else "")
    value = value[: TEXT_LENGTH - 1]
    return f"s{value}", found is not None or len(value) < len(whole)


def after(prefix: str) -> str | None:
    """Return the smallest text above all that begin with ``prefix``; ``None`` if there is none.

    >>> after("sab"), after("s9")
    ('sac', 's:')
    """
    for position in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[position]) + 1
        if point <= sys.maxunicode:
            # There is no character at a surrogate's place.
            point = 0xE000 if 0xD800 <= point <= 0xDFFF else point
            return prefix[:position] + chr(point)
    return None


def _int(value: int) -> Typed:
    try:
        num = float(value)
    except OverflowError:
        return INT_NEAR, LARGEST if value > 0 else -LARGEST, None
    # The largest double is also where all that is larger stands.
    near = int(num) != value or abs(num) == LARGEST
    return (INT_NEAR if near else INT), num, None


def _float(value: float) -> Typed:
    if value != value:  # noqa: PLR0124  NaN alone differs from itself
        return _NAN
    if -LARGEST < value < LARGEST:
        return FLOAT, value, None
    # Not every database stores an infinity: it stands where the largest double is, which is near.
    return (INFINITE if math.isinf(value) else FLOAT_NEAR), math.copysign(LARGEST, value), None


def _datetime(value: datetime) -> Typed:
    if type(value) is datetime:
        if value.tzinfo is UTC:
            return AWARE, None, "u" + value.isoformat(timespec="microseconds")[:_CLOCK_LENGTH]
        if value.tzinfo is None:
            return NAIVE, None, "t" + value.isoformat(timespec="microseconds")
    return _shifted(value)


def _shifted(value: datetime) -> Typed:
    """Return the columns of a datetime of any zone, which may leave the calendar in UTC."""
    aware = value.utcoffset() is not None
    kind, tag = (AWARE, "u") if aware else (NAIVE, "t")
    instant = instant_us(value)
    if instant < _FIRST_US:
        return kind + 2, None, tag
    if instant > _LAST_US:
        return kind + 2, None, f"{tag}~"
    moment = _EPOCH + timedelta(microseconds=instant)
    return kind, None, tag + moment.isoformat(timespec="microseconds")
