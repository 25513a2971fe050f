"""Database servers, through SQLAlchemy's dialects and the drivers they name."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from fleche_like.database.prepare import Parameters, Row
from fleche_like.database.systems import SYSTEMS, UNKNOWN
from fleche_like.errors import DatabaseError, MissingExtra, ReadOnlyError
from fleche_like.support.forks import renew_after_fork
from fleche_like.support.redact import redact

_EXTRAS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}

_abandoned: list[Any] = []


class ServerDriver:
    """A database on a server: PostgreSQL, MariaDB, or whatever SQLAlchemy has a dialect for.

    Args:
        url: where it is, secrets included.
        read_only: open sessions that may not write.
        timeout_s: how long the server lets a statement wait for another's lock, in seconds.
    """

    begin = "BEGIN"
    row_ids = False
    one_writer = False
    one_connection = False
    snapshots = True
    errors_undo = True

    def __init__(self, url: URL, *, read_only: bool, timeout_s: float = 60.0) -> None:
        self.url = redact(url.render_as_string(hide_password=False))
        self.read_only = read_only
        self.system = SYSTEMS.get(url.get_backend_name(), UNKNOWN)
        self._timeout_s = timeout_s
        self._url = url
        self._engine = _engine(url)
        self._asked = False
        module: Any = self._engine.dialect.dbapi
        self.errors: tuple[type[Exception], ...] = (module.Error,)
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._asking = threading.Lock()

    @property
    def dialect(self) -> Dialect:
        # What some statements compile to depends on the server's version: ask it once.
        if not self._asked:
            with self._asking:
                if not self._asked:
                    self._ask()
        return self._engine.dialect

    def _ask(self) -> None:
        try:
            with self._engine.connect():
                pass
            # People say mysql:// to MariaDB, whose types have names of their own.
            if self._url.get_backend_name() == "mysql" and _is_mariadb(self._engine.dialect):
                driver = self._url.drivername.replace("mysql", "mariadb", 1)
                self._engine = _engine(self._url.set(drivername=driver))
                with self._engine.connect():
                    pass
        except DBAPIError as error:
            raise DatabaseError(f"{error.orig} ({self.url})", url=self.url) from error
        self._asked = True

    def connect(self) -> Any:
        try:
            dialect = self.dialect
            fairy = self._engine.raw_connection()
        except self.errors as error:
            raise self.translated(error) from error
        connection: Any = fairy.driver_connection  # which a detached one no longer tells
        fairy.detach()
        try:
            dialect.set_isolation_level(connection, "AUTOCOMMIT")
            self.system.adapt(connection)
            self._set(connection)
        except BaseException as error:
            self.close(connection)
            if isinstance(error, self.errors):
                raise self.translated(error) from error
            raise
        return connection

    def _set(self, connection: Any) -> None:
        for setting in self.system.settings(self._timeout_s):
            self.all(connection, setting, ())
        if self.read_only:
            for setting in self.system.read_only:
                self.all(connection, setting, ())

    def close(self, connection: Any) -> None:
        with contextlib.suppress(*self.errors):
            connection.close()

    def abandon(self, connection: Any) -> None:
        """Let go of a parent's connection in a forked child, without a word to the server.

        Closing it would end the parent's session. Keeping its socket open would keep the session
        alive after the parent's death, with its locks: so its descriptor becomes another's.
        """
        _abandoned.append(connection)  # no destructor may run
        with contextlib.suppress(OSError, ValueError, AttributeError):
            descriptor = _descriptor(connection)
            nowhere = os.open(os.devnull, os.O_RDWR)
            try:
                os.dup2(nowhere, descriptor, inheritable=False)
            finally:
                os.close(nowhere)

    @staticmethod
    def one(connection: Any, text: str, params: Parameters) -> Row | None:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(text, params)
            row: Row | None = cursor.fetchone()
            return row

    @staticmethod
    def all(connection: Any, text: str, params: Parameters) -> list[Row]:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(text, params)
            return [] if cursor.description is None else list(cursor.fetchall())

    def cursor(self, connection: Any, text: str, params: Parameters) -> Any:
        return self.system.stream(connection, text, params)

    def end_stream(self, connection: Any, cursor: Any, *, read_all: bool) -> bool:
        try:
            return self.system.end_stream(connection, cursor, read_all=read_all)
        except self.errors:
            return False

    @staticmethod
    def many(connection: Any, text: str, rows: Iterable[Parameters]) -> list[Row]:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.executemany(text, list(rows))
        return []

    def insert(self, connection: Any, text: str, params: Parameters) -> int | None:
        rows = self.all(connection, text, params)
        return rows[0][0] if rows else None

    def in_transaction(self, _connection: Any, /) -> bool:
        # Errors undo the whole here, so that nobody goes on in a transaction that has ended.
        return True

    def is_lost(self, error: Exception, connection: Any) -> bool:
        return bool(self.dialect.is_disconnect(error, connection, None))  # type: ignore[arg-type]

    def translated(self, error: Exception, connection: Any = None) -> Exception:
        text = f"{error} ({self.url})"
        if self.system.refuses_writes(error):
            return ReadOnlyError(text, url=self.url)
        lost = connection is not None and self.is_lost(error, connection)
        return DatabaseError(text, url=self.url, transient=lost or self.system.passes(error))

    def engine(self) -> Engine:
        if not self._asked:
            self._ask()
        return self._engine


def _is_mariadb(dialect: Dialect) -> bool:
    return bool(getattr(dialect, "is_mariadb", False))


def _descriptor(connection: Any) -> int:
    """Return the descriptor of a connection's socket, which PyMySQL tells in no other way."""
    return int(connection.fileno() if hasattr(connection, "fileno") else connection._sock.fileno())


def _engine(url: URL) -> Engine:
    try:
        # Positional parameters, so that prepared statements take plain tuples.
        return create_engine(url, poolclass=NullPool, paramstyle="format")
    except ModuleNotFoundError as error:
        backend = url.get_backend_name()
        extra = _EXTRAS.get(backend, backend)
        raise MissingExtra(
            f"{error.name} is not installed; install it with: pip install 'fleche-like[{extra}]'",
            extra=extra,
        ) from error
