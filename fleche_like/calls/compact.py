"""Compact JSON, with datetimes written by a function of the caller's."""

from __future__ import annotations

import json
import json.encoder
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeAlias

Json: TypeAlias = Any

OPTIONS: Final[dict[str, Any]] = {
    "ensure_ascii": False,
    "check_circular": False,
    "allow_nan": False,
    "separators": (",", ":"),
}

encode: Final = json.JSONEncoder(**OPTIONS).encode
"""Write JSON that holds no datetime."""


class MomentEncoder:
    """Writes JSON with datetimes, and counts them. Thread-safe.

    ``JSONEncoder.encode`` sets the encoder in C up anew for every text, which takes longer than
    most texts; here each thread that writes borrows one that is ready.

    Args:
        moment: gives the JSON of a datetime.
    """

    def __init__(self, moment: Callable[[datetime], Json]) -> None:
        self._moment = moment
        self._idle: deque[_Borrowed] = deque()

    def encode(self, value: Json) -> tuple[str, int]:
        """Return the text and how many datetimes there were.

        Raises:
            TypeError: something is no JSON and no datetime.
            ValueError: a float is not finite.
        """
        try:
            borrowed = self._idle.pop()
        except IndexError:
            borrowed = _Borrowed(self._moment)
        borrowed.moments = 0
        text = borrowed.write(value)
        self._idle.append(borrowed)
        return text, borrowed.moments


class _Borrowed:
    """One encoder, for one text at a time."""

    def __init__(self, moment: Callable[[datetime], Json]) -> None:
        self._moment = moment
        self.moments = 0
        self.write = _writer(self._default)

    def _default(self, value: object) -> Json:
        if type(value) is not datetime:
            raise TypeError
        self.moments += 1
        return self._moment(value)


def _writer(default: Callable[[object], Json]) -> Callable[[Json], str]:
    make = vars(json.encoder).get("c_make_encoder")
    if make is None:  # an interpreter without it
        return json.JSONEncoder(default=default, **OPTIONS).encode
    quoted = json.encoder.encode_basestring
    pieces = make(None, default, quoted, None, ":", ",", False, False, False)
    return lambda value: "".join(pieces(value, 0))
