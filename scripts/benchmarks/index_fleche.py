"""The synthetic calls in fleche's SQL storage.

Its own code makes the tables and answers; they are filled with plain insertions, since saving
100,000 calls one by one would take it minutes. Keys are random digests of its length.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks import synthetic
from scripts.benchmarks.index_questions import PREFIX, SOME
from scripts.benchmarks.progress import reported

FLECHE: Final = "fleche"


def opened(file: Path) -> Any:
    """Return fleche's call storage over a file."""
    from fleche.storage import Sql

    return Sql(url=f"sqlite:///{file}")


def fill(file: Path, count: int) -> None:
    """Let fleche make its tables, and fill them."""
    opened(file).engine.dispose()
    connection = sqlite3.connect(file)
    for number in reported(range(count), count, FLECHE):
        _insert(connection, synthetic.made(number, count), key_of(number))
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def key_of(number: int) -> str:
    """Return the key of a call."""
    return hashlib.sha256(str(number).encode()).hexdigest()


class Theirs:
    """What is asked of fleche's storage, each time with other keys and values.

    Args:
        storage: holds the synthetic calls.
        count: how many there are.
    """

    def __init__(self, storage: Any, count: int) -> None:
        self.storage = storage
        self.keys = itertools.cycle(key_of(number) for number in range(min(count, SOME)))
        self.groups = itertools.cycle(synthetic.groups_of_simulate(count))

    def expand(self) -> object:
        """Expand a short key."""
        return self.storage.expand(next(self.keys)[:PREFIX])

    def shrink(self) -> object:
        """Shrink a key."""
        return self.storage.shrink(next(self.keys))

    def template(self) -> object:
        """Load a thousand calls by name and one argument."""
        from fleche.call import QueryCall

        steps = synthetic.steps(next(self.groups))
        return [*self.storage.query(QueryCall(name="simulate", arguments={"steps": steps}))]


def _insert(connection: sqlite3.Connection, made: synthetic.Made, key: str) -> None:
    from fleche.digest import digest

    identity = (key, made.name, synthetic.MODULE, None, synthetic.CODES[made.name] * 2)
    connection.execute(
        "INSERT INTO calls (key, name, module, version, code_digest, result)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (*identity, str(digest(made.result))),
    )
    arguments = {"alpha": made.alpha, "steps": made.steps, "solver": made.solver}
    connection.executemany(
        "INSERT INTO arguments (call_key, position, name, value) VALUES (?, ?, ?, ?)",
        [(key, place, name, str(digest(arguments[name]))) for place, name in enumerate(arguments)],
    )
    runtime = {
        "started": made.started.timestamp(),
        "walltime": made.walltime,
        "cputime": made.cputime,
    }
    connection.execute(
        "INSERT INTO metadata (call_key, name, data) VALUES (?, 'runtime', ?)",
        (key, json.dumps(runtime)),
    )
