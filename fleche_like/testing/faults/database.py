"""Faults between a database and its driver: at connections, and at single statements."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from fleche_like.database import Database
from fleche_like.database.driver import Connection, Cursor, Driver
from fleche_like.database.interposing import interpose
from fleche_like.database.prepare import Parameters, Row
from fleche_like.testing.faults.effects import Kind
from fleche_like.testing.faults.plan import Faults

T = TypeVar("T")

_SQLITE_CODES: Final = {
    "failure": sqlite3.SQLITE_ERROR,
    "no room": sqlite3.SQLITE_FULL,
    "lost": sqlite3.SQLITE_IOERR,
    "conflict": sqlite3.SQLITE_BUSY,
}
_MYSQL_CODES: Final = {"failure": 1105, "no room": 1021, "conflict": 1213}
_SQLSTATES: Final = {"failure": "XX000", "no room": "53100", "conflict": "40001"}


def inject(database: Database, faults: Faults) -> None:
    """Have faults strike the statements of a database.

    An operation is named by the first word of its statement, in capitals (``SELECT``, ``COMMIT``),
    and has the statement for a key; opening a connection is ``connect``. ``Fails("lost")`` really
    cuts the connection to a server, which then undoes what was not committed.

    Args:
        database: nobody uses it meanwhile. What is made over it later, leases of caches among
            them, is struck too.
        faults: what goes wrong when.
    """
    interpose(database, lambda driver: _FaultyDriver(driver, faults))


class _Statement:
    """A statement on a connection, or the opening of one; done whole or not at all."""

    def __init__(self, driver: Driver, text: str, connection: Connection) -> None:
        self._driver = driver
        self._connection = connection
        self.name = text.split(None, 1)[0]
        self.key = text

    def error(self, kind: Kind) -> Exception:
        name = self._driver.dialect.name
        if name == "sqlite":
            error = sqlite3.OperationalError(f"injected {kind}")
            error.sqlite_errorcode = _SQLITE_CODES[kind]
            return error
        if kind == "lost":
            return _lost(self._driver, self._connection)
        module: Any = self._driver.dialect.dbapi
        if name == "postgresql":
            error_of = getattr(module.errors, "lookup", None)
            of_state = module.OperationalError if error_of is None else error_of(_SQLSTATES[kind])
            return of_state(f"injected {kind}")  # type: ignore[no-any-return]
        return module.OperationalError(  # type: ignore[no-any-return]
            _MYSQL_CODES[kind], f"injected {kind}"
        )

    def do_part(self, _share: float) -> bool:
        return False


def _lost(driver: Driver, connection: Connection) -> Exception:
    """Cut a connection; return what its driver says to that."""
    if connection is None:
        return driver.errors[0]("injected: no connection")
    with contextlib.suppress(OSError, ValueError), _socket_of(connection) as line:
        line.shutdown(socket.SHUT_RDWR)
    try:
        with warnings.catch_warnings():
            # Of a result that was being read: it is left incomplete on purpose.
            warnings.simplefilter("ignore", UserWarning)
            driver.all(connection, "SELECT 1", ())
    except driver.errors as error:
        return error
    raise AssertionError(f"{connection} cannot be cut")


def _socket_of(connection: Any) -> socket.socket:
    """Return a socket of our own on the line of a connection."""
    descriptor = connection.fileno() if hasattr(connection, "fileno") else connection._sock.fileno()
    return socket.socket(fileno=os.dup(descriptor))


class _FaultyDriver:
    """A driver that does what another one does, with faults."""

    def __init__(self, driver: Driver, faults: Faults) -> None:
        self._driver = driver
        self._faults = faults
        self.url = driver.url
        self.begin = driver.begin
        self.one_writer = driver.one_writer
        self.one_connection = driver.one_connection
        self.snapshots = driver.snapshots
        self.row_ids = driver.row_ids
        self.errors_undo = driver.errors_undo
        self.errors = driver.errors
        self.close = driver.close
        self.abandon = driver.abandon
        self.end_stream = driver.end_stream
        self.in_transaction = driver.in_transaction
        self.is_lost = driver.is_lost
        self.translated = driver.translated

    @property
    def dialect(self) -> Any:
        return self._driver.dialect

    def engine(self) -> Any:
        return self._driver.engine()

    def connect(self) -> Connection:
        try:
            return self._run("connect", None, self._driver.connect)
        except self.errors as error:
            raise self.translated(error) from error

    def one(self, connection: Connection, text: str, params: Parameters) -> Row | None:
        return self._run(text, connection, lambda: self._driver.one(connection, text, params))

    def all(self, connection: Connection, text: str, params: Parameters) -> list[Row]:
        return self._run(text, connection, lambda: self._driver.all(connection, text, params))

    def cursor(self, connection: Connection, text: str, params: Parameters) -> Cursor:
        return self._run(text, connection, lambda: self._driver.cursor(connection, text, params))

    def many(self, connection: Connection, text: str, rows: Iterable[Parameters]) -> list[Row]:
        return self._run(text, connection, lambda: self._driver.many(connection, text, rows))

    def insert(self, connection: Connection, text: str, params: Parameters) -> int | None:
        return self._run(text, connection, lambda: self._driver.insert(connection, text, params))

    def _run(self, text: str, connection: Connection, action: Callable[[], T]) -> T:
        site = _Statement(self._driver, text, connection)
        return self._faults.run(site, action)  # type: ignore[return-value]
