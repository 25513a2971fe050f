"""Holding a SQLite file alone while its schema changes, after a copy of it was made."""

from __future__ import annotations

import contextlib
import logging
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from fleche_like.database import Database
from fleche_like.database.sqlite import borrowed
from fleche_like.errors import DatabaseError
from fleche_like.index.models import VERSION_TABLE

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 3.0
"""How long to try to be alone, in seconds: processes that only look have gone by then."""

Revision = Callable[[Database], str | None]
Busy = Callable[[Database, str | None], DatabaseError]


@contextlib.contextmanager
def exclusively(database: Database, revision: Revision, busy: Busy) -> Iterator[sa.Connection]:
    """Give a transaction on a file that no other process can even read, after a backup.

    If the process dies in it, whoever opens the file next rolls everything back.

    Raises:
        DatabaseError: what ``busy`` says of another process that has the file open, or has just
            changed it; or there is no room for a backup.
    """
    found = revision(database)
    database.close()
    with contextlib.closing(_claimed(database, found, busy)) as held:
        if _version(held) != found:
            raise busy(database, found)
        backup = _backup(database, held, found)
        held.execute("BEGIN EXCLUSIVE")
        with borrowed(held) as connection:
            yield connection
        held.execute("COMMIT")
    logger.info("the file before the change is kept as %s", backup)


def _claimed(database: Database, found: str | None, busy: Busy) -> sqlite3.Connection:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _claim(database)
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline:
                raise busy(database, found) from error
        # Two that try at the same moment keep each other out: not again at the same moment.
        time.sleep(random.uniform(0.01, 0.1))


def _claim(database: Database) -> sqlite3.Connection:
    assert database.path is not None
    connection = sqlite3.connect(
        database.path, timeout=0.1, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Leaving the write-ahead log succeeds for the only connection alone.
        connection.execute("PRAGMA journal_mode = delete").fetchone()
        # What was locked once stays locked. A copy cannot be made inside a transaction that writes.
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> str | None:
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608
    return None if row is None else str(row[0])


def _backup(database: Database, held: sqlite3.Connection, found: str | None) -> Path:
    """Copy a database through SQLite's own backup, after a look at the free space."""
    assert database.path is not None
    path = database.path
    needed, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < 2 * needed:
        raise DatabaseError(
            f"changing the schema of {path} needs {2 * needed:,} bytes for a backup and a journal;"
            f" {free:,} are free",
            url=database.url,
        )
    backup = path.with_name(f"{path.name}.{found}.backup")
    partial = backup.with_name(f"{backup.name}.part")
    with contextlib.closing(sqlite3.connect(partial)) as copy:
        held.backup(copy)
    partial.chmod(path.stat().st_mode & 0o777)
    partial.replace(backup)
    return backup
