"""Databases of synthetic calls, generated once into a folder and used again."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from fleche_like import Cache, open_cache
from fleche_like.database import Database
from fleche_like.index import SqlCallStorage
from scripts.benchmarks import index_flat, index_fleche, synthetic
from scripts.benchmarks.progress import reported

GENERATION: Final = 2
"""Grows when the synthetic calls change: then nothing that was generated is used any more."""


def fill(cache: Cache, count: int) -> None:
    """Save synthetic calls in bulk, with the values of those results that are no scalars."""
    with index_of(cache).transaction():
        for number in range(synthetic.DICTS):
            cache.values.save(synthetic.small_dict(number))
    with _indexes_last(index_of(cache).database):
        index_of(cache).save_many(reported(synthetic.calls(count), count, "fleche-like"))


@contextlib.contextmanager
def _indexes_last(database: Database) -> Iterator[None]:
    """Build the indexes of SQLite at the end, by sorting: else ten million calls take hours."""
    if database.dialect != "sqlite":
        yield
        return

    def run(text: str) -> list[tuple[Any, ...]]:
        return database.write(database.prepare(sa.text(text)))

    run(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
    indexes = run("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    for name, _ in indexes:
        run(f"DROP INDEX {name}")
    yield
    for _, sql in indexes:
        run(sql.replace(":", r"\:"))


def index_of(cache: Cache) -> SqlCallStorage:
    """Return where a cache has its calls."""
    assert isinstance(cache.calls, SqlCallStorage)
    return cache.calls


class Databases:
    """Databases of so many calls each, in one folder.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ours(self, count: int) -> Cache:
        """Return a cache with everything at its default, but without a memory tier."""
        return open_cache(self.folder_of_ours(count), memory_bytes=0)

    def folder_of_ours(self, count: int) -> Path:
        """Return where that cache is."""
        return self.made("ours", count, _fill_ours)

    def flat(self, count: int) -> sqlite3.Connection:
        """Return a connection to the flat table."""
        return index_flat.opened(self.made("flat", count, _in_a_file(index_flat.fill)) / _FILE)

    def fleche(self, count: int) -> Any:
        """Return fleche's call storage."""
        return index_fleche.opened(
            self.made("fleche", count, _in_a_file(index_fleche.fill)) / _FILE
        )

    def made(self, kind: str, count: int, make: Callable[[Path, int], None]) -> Path:
        """Return the folder of a database, complete if it is there at all."""
        folder = self.folder / f"{kind}-{count}-{GENERATION}"
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            make(unfinished, count)
            unfinished.rename(folder)
        return folder


_FILE: Final = "calls.db"
_PAGE_CACHE_KIB: Final = 4 * 1024 * 1024


def _fill_ours(folder: Path, count: int) -> None:
    with open_cache(folder, memory_bytes=0) as cache:
        fill(cache, count)


def _in_a_file(make: Callable[[Path, int], None]) -> Callable[[Path, int], None]:
    return lambda folder, count: make(folder / _FILE, count)
