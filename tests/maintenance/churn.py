"""A process that stores and evicts the same values over and over, and looks each up again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fleche_like import Cache, open_cache
from fleche_like.calls import Call
from fleche_like.hashing import Digest

SIZES = (10, 2_000, 12_000)
"""Of lists of small integers: in one statement with the call, a blob of its own, and a file."""


def result(number: int) -> list[int]:
    return [number % 7] * SIZES[number % len(SIZES)]


def call(who: str, number: int) -> Call:
    arguments: dict[str, Any] = {"n": number % 21}
    if number % 2:
        arguments["data"] = {"own": [who] * 40}  # no scalar: saved step by step
    return Call("work", arguments, module=who, result=result(number))


def churn(cache: Cache, who: str, rounds: int) -> int:
    """Return how many look-ups were wrong."""
    wrong = 0
    held: list[tuple[Digest, int]] = []
    for number in range(rounds):
        key = cache.save(call(who, number))
        held.append((key, number))
        wrong += sum(cache.lookup(key) != result(one) for key, one in held)
        if len(held) > 2:
            cache.evict(held.pop(0)[0])
    return wrong


def main(folder: str, who: str, rounds: str) -> None:
    # Files from 20 kB on: small enough to write many.
    with open_cache(Path(folder), memory_bytes=0, inline_bytes=20_000) as cache:
        print(churn(cache, who, int(rounds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
