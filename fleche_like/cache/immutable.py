"""Which values may be handed out twice without a copy."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import uuid
from typing import Any, Final

_ATOMS: Final[frozenset[type]] = frozenset(
    {
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        type(None),
        type(Ellipsis),
        range,
        dt.date,
        dt.time,
        dt.timedelta,
        decimal.Decimal,
        fractions.Fraction,
        uuid.UUID,
    }
)
_CONTAINERS: Final[frozenset[type]] = frozenset({tuple, frozenset})
_MOST_ITEMS: Final = 64


def is_immutable(value: Any) -> bool:
    """Whether nothing a caller does to ``value`` can be seen by the next one.

    By exact type, since a subclass may carry mutable attributes; small tuples and frozensets
    count when their items do. A ``False`` only costs a copy.

    >>> is_immutable((1, "a", None)), is_immutable((1, []))
    (True, False)
    """
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind in _CONTAINERS and len(value) <= _MOST_ITEMS:
        return all(type(item) in _ATOMS for item in value)
    return False
