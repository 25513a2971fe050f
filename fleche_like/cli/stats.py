"""``stats``: what the cache holds, in figures."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from fleche_like.cache import Cache
from fleche_like.calls import LazyCall, flatten
from fleche_like.cli.caches import open_existing
from fleche_like.cli.calls import WALLTIME, seconds_text
from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.cli.tables import print_pairs, print_table
from fleche_like.query import printable
from fleche_like.support.redact import redact

EXAMPLES: Final = (
    "fleche-like --cache results stats",
    "fleche-like --cache results stats --json",
)


@dataclass
class Function:
    """What is stored of one function.

    Attributes:
        calls: how many calls.
        timed: how many of them say how long they took.
        seconds: how long these took together: what computing them again would cost.
    """

    calls: int = 0
    timed: int = 0
    seconds: float = 0.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the figures; reads every call's record and no value."""
    with open_existing(args.cache) as cache:
        figures = _figures(cache)
        functions = count_functions(cache.query())
    calls = sum(function.calls for function in functions.values())
    if args.json:
        listed = [_as_json(*item) for item in functions.items()]
        print_json(figures | {"calls": calls, "functions": listed})
        return Exit.OK
    print_pairs(_summary(figures, functions, calls))
    if functions:
        print()
        print_table(("function", "module", "calls", "seconds"), list(_rows(functions)))
    return Exit.OK


def count_functions(calls: Iterable[LazyCall]) -> dict[tuple[str, str | None], Function]:
    """Return figures by name and module, the function with most calls first."""
    functions: dict[tuple[str, str | None], Function] = {}
    for call in calls:
        function = functions.setdefault((call.name, call.module), Function())
        function.calls += 1
        seconds = flatten(call.metadata).get(WALLTIME)
        if isinstance(seconds, int | float):
            function.timed += 1
            function.seconds += seconds
    return dict(sorted(functions.items(), key=lambda item: -item[1].calls))


def _figures(cache: Cache) -> dict[str, Any]:
    return {
        "cache": redact(cache.url),
        "values": sum(1 for _ in cache.values.list()),
        "size_bytes": cache.stats().size_bytes,
    }


def _as_json(key: tuple[str, str | None], function: Function) -> dict[str, Any]:
    name, module = key
    seconds = function.seconds if function.timed else None
    return {"name": name, "module": module, "calls": function.calls, "seconds": seconds}


def _summary(
    figures: dict[str, Any], functions: dict[tuple[str, str | None], Function], calls: int
) -> list[tuple[str, str]]:
    size = figures["size_bytes"]
    lines = [
        ("cache", printable(figures["cache"])),
        ("calls", f"{calls:,}"),
        ("values", f"{figures['values']:,}"),
        ("size", "unknown" if size is None else bytes_text(size)),
    ]
    if any(function.timed for function in functions.values()):
        seconds = sum(function.seconds for function in functions.values())
        lines.append(("computed in", duration_text(seconds)))
    return lines


def _rows(functions: dict[tuple[str, str | None], Function]) -> Iterable[tuple[str, ...]]:
    for (name, module), function in functions.items():
        seconds = seconds_text(function.seconds) if function.timed else ""
        yield printable(name), printable(module or ""), str(function.calls), seconds


def bytes_text(size: int) -> str:
    """Return a size as people read it.

    >>> bytes_text(999), bytes_text(2_500_000)
    ('999 B', '2.5 MB')
    """
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:,.1f} {unit}"


def duration_text(seconds: float) -> str:
    """Return a duration as people read it.

    >>> duration_text(0.5), duration_text(90), duration_text(7200)
    ('0.5 s', '1.5 min', '2 h')
    """
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds / length_s:.3g} {unit}"
    return f"{seconds:.3g} s"
