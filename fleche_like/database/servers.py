"""Database servers, through SQLAlchemy's dialects and the drivers they name."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from fleche_like.database.prepare import Parameters, Row
from fleche_like.errors import DatabaseError, MissingExtra, ReadOnlyError
from fleche_like.support.redact import redact

_EXTRAS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


class ServerDriver:
    """A database on a server: PostgreSQL, MariaDB, or whatever SQLAlchemy has a dialect for.

    Args:
        url: where it is, secrets included.
        read_only: open sessions that may not write.
    """

    begin = "BEGIN"
    row_ids = False
    one_writer = False
    one_connection = False
    snapshots = True

    def __init__(self, url: URL, *, read_only: bool) -> None:
        self.url = redact(url.render_as_string(hide_password=False))
        self.read_only = read_only
        self._engine = _engine(url)
        module: Any = self._engine.dialect.dbapi
        self.errors: tuple[type[Exception], ...] = (module.Error,)

    @functools.cached_property
    def dialect(self) -> Dialect:
        # What some statements compile to depends on the server's version: ask it once.
        try:
            with self._engine.connect():
                return self._engine.dialect
        except DBAPIError as error:
            raise DatabaseError(f"{error.orig} ({self.url})", url=self.url) from error

    def connect(self) -> Any:
        try:
            dialect = self.dialect
            fairy = self._engine.raw_connection()
        except self.errors as error:
            raise self.translated(error) from error
        connection: Any = fairy.driver_connection  # which a detached one no longer tells
        fairy.detach()
        dialect.set_isolation_level(connection, "AUTOCOMMIT")
        if self.read_only:
            self.all(connection, _READ_ONLY_SESSION[dialect.name], ())
        return connection

    def close(self, connection: Any) -> None:
        with contextlib.suppress(*self.errors):
            connection.close()

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
        cursor = connection.cursor()
        cursor.execute(text, params)
        return cursor

    @staticmethod
    def many(connection: Any, text: str, rows: Iterable[Parameters]) -> list[Row]:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.executemany(text, list(rows))
        return []

    def insert(self, connection: Any, text: str, params: Parameters) -> int | None:
        rows = self.all(connection, text, params)
        return rows[0][0] if rows else None

    def in_transaction(self, _connection: Any, /) -> bool:
        # Only asked before a rollback, which does no harm outside a transaction.
        return True

    def is_lost(self, error: Exception, connection: Any) -> bool:
        return bool(self.dialect.is_disconnect(error, connection, None))  # type: ignore[arg-type]

    def translated(self, error: Exception) -> Exception:
        text = f"{error} ({self.url})"
        # 25006 is the standard's read_only_sql_transaction, 1792 is MariaDB's and MySQL's.
        if getattr(error, "sqlstate", None) == "25006" or error.args[:1] == (1792,):
            return ReadOnlyError(text, url=self.url)
        return DatabaseError(text, url=self.url)

    def engine(self) -> Engine:
        return self._engine


_READ_ONLY_SESSION = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


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
