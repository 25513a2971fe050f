"""Results as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from scripts.benchmarks.rows import OURS, Row

PACKAGES = ("fleche-like", "diskcache", "joblib", "fleche", "numpy", "xxhash", "SQLAlchemy")


def as_markdown(suite: str, rows: Sequence[Row]) -> str:
    """One suite as a table: times, and how many times faster this package is than each peer."""
    names = _contenders(rows)
    peers = [name for name in names if name != OURS]
    header = [suite, OURS, *peers, "must", "measured", "verdict"]
    lines = [[*_cells(row, peers)] for row in rows]
    ruler = ["---", *(["---:"] * (len(header) - 2)), "---"]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ruler, *lines])


def as_data(suites: Mapping[str, Sequence[Row]], command: str) -> dict[str, Any]:
    """Everything that was measured, every round of it."""
    return {
        "command": command,
        "environment": environment(),
        "suites": {name: [_row_data(row) for row in rows] for name, rows in suites.items()},
    }


def environment() -> dict[str, str]:
    """What the figures depend on: interpreter, machine, versions of the contenders."""
    versions = {name: _version(name) for name in PACKAGES}
    return {"python": sys.version.split()[0], "machine": _machine(), **versions}


def duration(seconds: float) -> str:
    """A time with a unit that suits it.

    >>> duration(0.0000123), duration(0.25), duration(12.0)
    ('12.3 µs', '250 ms', '12 s')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if abs(seconds) * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _contenders(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.samples.seconds))


def _cells(row: Row, peers: Sequence[str]) -> list[str]:
    musts = row.musts()
    name = f"{row.name} ({row.note})" if row.note else row.name
    return [
        name,
        _time(row, OURS),
        *(_time(row, peer) for peer in peers),
        "; ".join(must.text for must in musts),
        "; ".join(must.measured for must in musts),
        "; ".join("ok" if must.holds else "short" for must in musts),
    ]


def _time(row: Row, name: str) -> str:
    if name not in row.samples.seconds:
        return ""
    text = duration(row.samples.median_s(name))
    if name == OURS or OURS not in row.samples.seconds:
        return text
    return f"{text} ({row.samples.speed(OURS, name):.3g} ×)"


def _row_data(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "note": row.note,
        "seconds": dict(row.samples.seconds),
        "medians": {name: row.samples.median_s(name) for name in row.samples.seconds},
        "musts": [must.__dict__ for must in row.musts()],
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _machine() -> str:
    return f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors"
