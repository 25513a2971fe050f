"""SQLite: connections, pragmas, journals, and what its errors mean."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import Connection as SQLAlchemyConnection
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.pool import NullPool, StaticPool

from fleche_like.database.mounts import is_network
from fleche_like.database.prepare import Parameters, Row
from fleche_like.errors import DatabaseDamaged, DatabaseError, ReadOnlyError

CHECKPOINT_PAGES: Final = 4000
"""Size at which the log is moved into the file: SQLite's 1000 pages hold some fifty saved calls
with their indexes, and each move syncs twice."""

CACHE_KIB: Final = 16 * 1024
"""Page cache of a connection: what a bulk save dirties, which otherwise spills into the log."""

Durability = Literal["process", "power"]

_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_abandoned: list[sqlite3.Connection] = []

_READ_ONLY: Final = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


class SqliteDriver:
    """A SQLite file, or a database in memory.

    Args:
        path: the file, absolute; ``None`` for memory.
        url: its URL, for messages.
        read_only: refuse to create or change it.
        durability: ``"power"`` syncs each commit, ``"process"`` leaves that to checkpoints: a
            commit survives the death of the process, and power loss drops only the latest ones.
        timeout_s: how long to wait for another process's lock, in seconds.
    """

    begin = "BEGIN IMMEDIATE"
    row_ids = True
    errors_undo = False
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(
        self,
        path: Path | None,
        url: str,
        *,
        read_only: bool,
        durability: Durability,
        timeout_s: float,
    ) -> None:
        self.path = path
        self.url = url
        self.read_only = read_only
        self.durability = durability
        self.timeout_s = timeout_s
        self.one_connection = path is None
        self.one_writer = path is not None
        # Shared memory for the write-ahead log does not work between hosts.
        self.journal = "delete" if path is None or is_network(path.parent) else "wal"
        self.snapshots = path is not None and self.journal == "wal"
        self.dialect: Dialect = sqlite_dialect.dialect(paramstyle="qmark")

    def connect(self) -> sqlite3.Connection:
        if self.path is None:
            return self._configured(self._opened(":memory:"))
        if not self.read_only:
            _create_private(self.path)
        try:
            return self._configured(self._opened(self._uri("ro" if self.read_only else "rw")))
        except (DatabaseError, ReadOnlyError):
            if not self._can_be_immutable():
                raise
            return self._configured(self._opened(self._uri("ro&immutable=1")))

    def close(self, connection: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()

    def abandon(self, connection: sqlite3.Connection) -> None:
        _abandoned.append(connection)  # closing it would drop locks of the parent's

    @staticmethod
    def one(connection: sqlite3.Connection, text: str, params: Parameters) -> Row | None:
        row: Row | None = connection.execute(text, params).fetchone()
        return row

    @staticmethod
    def all(connection: sqlite3.Connection, text: str, params: Parameters) -> list[Row]:
        return connection.execute(text, params).fetchall()

    @staticmethod
    def cursor(connection: sqlite3.Connection, text: str, params: Parameters) -> sqlite3.Cursor:
        return connection.execute(text, params)

    def end_stream(
        self,
        _connection: sqlite3.Connection,
        cursor: sqlite3.Cursor,
        *,
        read_all: bool,  # noqa: ARG002
    ) -> bool:
        cursor.close()
        return True

    @staticmethod
    def many(connection: sqlite3.Connection, text: str, rows: Iterable[Parameters]) -> list[Row]:
        return connection.executemany(text, rows).fetchall()

    @staticmethod
    def insert(connection: sqlite3.Connection, text: str, params: Parameters) -> int | None:
        # A RETURNING clause would double the cost of the insertion.
        cursor = connection.execute(text, params)
        return cursor.lastrowid if cursor.rowcount else None

    @staticmethod
    def in_transaction(connection: sqlite3.Connection) -> bool:
        return connection.in_transaction

    def is_lost(self, error: Exception, _connection: sqlite3.Connection, /) -> bool:
        # A damaged or vanished file: a fresh connection sees what a restored one holds.
        return _code(error) in _DAMAGED or _code(error) == sqlite3.SQLITE_IOERR

    def translated(self, error: Exception, _connection: Any = None, /) -> Exception:
        code, text = _code(error), f"{error} ({self.url})"
        if code in _DAMAGED:
            return DatabaseDamaged(text, url=self.url)
        if code == sqlite3.SQLITE_FULL:
            return OSError(errno.ENOSPC, str(error), str(self.path or ":memory:"))
        if code in _READ_ONLY:
            return ReadOnlyError(text, url=self.url)
        if code in _BUSY:
            text = f"{error}: another writer held it for {self.timeout_s:g} s ({self.url})"
        return DatabaseError(text, url=self.url)

    def engine(self) -> Engine:
        return create_engine("sqlite://", creator=self.connect, poolclass=NullPool)

    def _uri(self, mode: str) -> str:
        return f"file:{quote(str(self.path))}?mode={mode}"

    def _opened(self, target: str) -> sqlite3.Connection:
        try:
            return sqlite3.connect(
                target,
                uri=target.startswith("file:"),
                timeout=self.timeout_s,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        except sqlite3.Error as error:
            raise self.translated(error) from error

    def _configured(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            self._patiently(lambda: self._set_journal(connection))
            full = self.durability == "power" or self.journal != "wal"
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except sqlite3.Error as error:
            connection.close()
            raise self.translated(error) from error
        return connection

    def _set_journal(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA journal_mode").fetchone()
        if found != self.journal and self.path is not None and not self.read_only:
            connection.execute(f"PRAGMA journal_mode = {self.journal}").fetchone()

    def _patiently(self, action: Callable[[], Any]) -> None:
        # SQLite answers a change of journal (and the recovery of one) with "locked" at once,
        # without its busy handler: many processes opening a fresh file meet there.
        deadline = time.monotonic() + self.timeout_s
        pause_s = 0.001
        while True:
            try:
                action()
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.05)
            else:
                return

    def _can_be_immutable(self) -> bool:
        # A write-ahead database in a folder we may not write to opens only so; without a log
        # beside it the file is complete.
        path = self.path
        return (
            self.read_only
            and path is not None
            and path.is_file()
            and path.stat().st_size > 0
            and not os.access(path.parent, os.W_OK)
            and not path.with_name(path.name + "-wal").exists()
        )


@contextlib.contextmanager
def borrowed(connection: sqlite3.Connection) -> Iterator[SQLAlchemyConnection]:
    """Wrap an open transaction for SQLAlchemy, which must neither commit it nor roll it back."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    dialect: Any = engine.dialect
    dialect.do_begin = dialect.do_commit = dialect.do_rollback = dialect.do_close = _leave
    with engine.connect() as wrapped, wrapped.begin():
        yield wrapped


def _leave(_connection: sqlite3.Connection) -> None:
    """End nothing: the unit of work does."""


def _create_private(path: Path) -> None:
    """Create an empty file with the access rights of its folder, and a private folder if needed.

    SQLite gives its journals the rights of the database file.
    """
    try:
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise DatabaseError(f"cannot create {path}: {error}", url=str(path)) from error
    try:
        around = path.parent.stat().st_mode
        # Where everybody may put files, as in /tmp, each is its owner's alone.
        if os.name == "posix" and not around & stat.S_ISVTX:
            os.fchmod(descriptor, around & 0o666)
    finally:
        os.close(descriptor)


def _code(error: Exception) -> int:
    """The primary result code of an error of the sqlite3 module; 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
