"""How far a long preparation is, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

_FIRST_S: Final = 2.0
_STEPS: Final = 20


def reported(items: Iterable[T], count: int, what: str) -> Iterator[T]:
    """Yield ``count`` items; say on stderr how far it is, unless that takes no time at all."""
    step = max(1, count // _STEPS)
    begin = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        taken_s = time.monotonic() - begin if number % step == 0 else 0.0
        if taken_s > _FIRST_S:
            speed = number / taken_s
            print(f"{what}: {number:,} of {count:,}, {speed:,.0f} a second", file=sys.stderr)
