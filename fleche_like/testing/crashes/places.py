"""Where caches are that writers die in, and what can be seen there without this package."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import fleche_like as fl
from fleche_like.database import Database, Prepared
from fleche_like.errors import DatabaseError

INDEX: Final = "index.db"

# Kinds 50 and 54 are those of results that no record holds itself; -51 and -55, of late calls.
_RESULTS: Final = "SELECT calls.key, result FROM calls WHERE kind IN (50, 54, -51, -55)"


class Place(Protocol):
    """A cache somewhere. Picklable; writers get copies."""

    def open(self) -> fl.Cache:
        """Open the cache, and make it if it is not there."""
        ...

    def broken(self) -> Iterator[str]:
        """Yield what is not as it must be, found by other means than the cache's own.

        Called while no writer lives, and before anybody else opens the cache again.
        """
        ...


@dataclass(frozen=True)
class EmbeddedPlace:
    """A cache in a folder.

    Args:
        folder: the folder.
        options: of :func:`fleche_like.open_cache`.
    """

    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> fl.Cache:
        return fl.open_cache(self.folder, memory_bytes=0, **self.options)

    def broken(self) -> Iterator[str]:
        """Ask SQLite whether the file is sound, and look for each result's bytes."""
        file = self.folder / INDEX
        if not file.exists():
            return
        with closing(sqlite3.connect(file, timeout=60)) as database:
            try:
                yield from _unsound(database)
                if _has_tables(database):
                    yield from self._dangling(database)
            except sqlite3.DatabaseError as error:
                yield f"{file}: {error}"

    def _dangling(self, database: sqlite3.Connection) -> Iterator[str]:
        (unsealed,) = database.execute("SELECT count(*) FROM calls WHERE record IS NULL").fetchone()
        if unsealed:
            yield f"{unsealed} calls have no record"
        blobs = {key for (key,) in database.execute("SELECT key FROM blobs")}
        for key, digest in database.execute(_RESULTS):
            result = digest.hex()
            name = f"values/{result[:2]}/{result[2:4]}/{result}"
            file = self.folder / name
            if name not in blobs and not (file.is_file() and file.stat().st_size):
                yield f"call {key}: its result {result} is not there"


def _unsound(database: sqlite3.Connection) -> Iterator[str]:
    for check in ("integrity_check", "foreign_key_check"):
        found = database.execute(f"PRAGMA {check}").fetchall()
        yield from (f"{check}: {row}" for row in found if row != ("ok",))


def _has_tables(database: sqlite3.Connection) -> bool:
    found = database.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('calls', 'blobs')")
    return bool(found.fetchone() == (2,))


@dataclass(frozen=True)
class ServerPlace:
    """A cache whose index is on a database server.

    Args:
        url: of an empty database, or of one that an earlier run left.
        values: the folder or URL that values go to; ``None``: into the database.
    """

    url: str
    values: str | None = None

    def open(self) -> fl.Cache:
        return fl.open_cache(self.url, values=self.values, memory_bytes=0)

    def broken(self) -> Iterator[str]:
        """Look for the file of each result, where values go into a folder."""
        if self.values is None or "://" in self.values:
            return
        for key, result in self._results():
            file = Path(self.values, "values", result[:2], result[2:4], result)
            if not (file.is_file() and file.stat().st_size):
                yield f"call {key}: its result {result} is not there"

    def _results(self) -> Iterator[tuple[str, str]]:
        with closing(Database(self.url)) as database:
            try:
                rows = database.read(Prepared(_RESULTS))
            except DatabaseError:  # killed before there was any table
                return
        for key, digest in rows:
            yield key, bytes(digest).hex()
