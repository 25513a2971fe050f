"""What a sensible person writes by hand for the synthetic calls: one flat table in SQLite.

One column for everything a call has, an index for every column that anyone asks for, WAL mode,
``synchronous=NORMAL``, the same page cache as fleche-like's, ``ANALYZE`` after filling.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks import synthetic
from scripts.benchmarks.contest import Entry
from scripts.benchmarks.progress import reported

FLAT: Final = "flat table"
INDEXED: Final = ("name", "alpha", "steps", "solver", "started", "walltime")

_TABLE: Final = """CREATE TABLE calls (
    key TEXT PRIMARY KEY, name TEXT, module TEXT, code TEXT, alpha REAL, steps INTEGER,
    solver TEXT, started TEXT, walltime REAL, cputime REAL, result)"""
_BATCH: Final = 20_000


def opened(file: Path) -> sqlite3.Connection:
    """Return a connection set up as said above."""
    connection = sqlite3.connect(file, isolation_level=None, cached_statements=256)
    for pragma in ("journal_mode = wal", "synchronous = NORMAL", "cache_size = -16384"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def fill(file: Path, count: int) -> None:
    """Make the table and its indexes, and fill them."""
    connection = opened(file)
    connection.execute(_TABLE)
    for column in INDEXED:
        connection.execute(f"CREATE INDEX calls_{column} ON calls ({column})")
    rows = map(_row, reported(range(count), count, FLAT), itertools.repeat(count))
    for batch in _batches(rows):
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO calls VALUES ({', '.join('?' * 11)})", batch)
        connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()


def template(connection: sqlite3.Connection, count: int) -> Entry:
    """Return what reads a thousand calls by name and steps, other ones each time."""
    groups = itertools.cycle(synthetic.groups_of_simulate(count))
    statement = "SELECT * FROM calls WHERE name = 'simulate' AND steps = ?"

    def ask() -> list[Any]:
        return connection.execute(statement, (synthetic.steps(next(groups)),)).fetchall()

    return ask


def by_hand(connection: sqlite3.Connection, statement: str) -> Entry:
    """Return what reads the answer to a statement."""
    return lambda: connection.execute(statement).fetchall()


def _row(number: int, count: int) -> tuple[Any, ...]:
    made = synthetic.made(number, count)
    result = json.dumps(made.result) if isinstance(made.result, dict) else made.result
    return (
        synthetic.sealed(made).key,
        made.name,
        synthetic.MODULE,
        synthetic.CODES[made.name],
        made.alpha,
        made.steps,
        made.solver,
        made.started.isoformat(),
        made.walltime,
        made.cputime,
        result,
    )


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(rows)
    while batch := [*itertools.islice(rest, _BATCH)]:
        yield batch
