"""What the tests of executors send to their workers: importable there under this name."""

from __future__ import annotations

import os
import time
from typing import Any

import fleche_like as fl


@fl.memoize
def square(x: int) -> list[int]:
    return [x * x]


@fl.memoize
def where(x: int) -> int:
    return os.getpid()


@fl.memoize
async def cube(x: int) -> int:
    return x**3


#: A coroutine function is run to its end by an executor: its result is no coroutine.
run_cube: Any = cube


@fl.memoize
def nested(x: int) -> list[int]:
    return [*square(x), x]


@fl.memoize
def fails_on_odd(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


@fl.memoize
def slow(x: int) -> int:
    time.sleep(30)
    return x


class Model:
    def __init__(self, scale: int) -> None:
        self.scale = scale

    @fl.memoize
    def predict(self, x: int) -> int:
        return self.scale * x


def url_in_use() -> str:
    return fl.current_cache().url
