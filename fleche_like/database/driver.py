"""What differs between database systems, as seen by the pool and the units of work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy.engine import Dialect, Engine

from fleche_like.database.prepare import Parameters, Row

Connection = Any
"""A DBAPI connection in autocommit; transactions are begun and ended by statements."""

Cursor = Any


class Driver(Protocol):
    """One database system at one place. Stateless but for configuration, hence thread-safe."""

    url: str
    """Where it is, without secrets."""
    begin: str
    """The statement that opens a transaction for writing."""
    one_writer: bool
    """Only one transaction can write at a time, so that threads had better queue in process."""
    one_connection: bool
    """The database lives in its only connection."""
    snapshots: bool
    """An open cursor keeps nobody from writing."""
    row_ids: bool
    """An insertion tells the id of its row without being asked to return it."""
    errors_undo: bool
    """An error in a transaction undoes the whole of it, or may have done so."""
    errors: tuple[type[Exception], ...]
    """What the DBAPI module raises."""

    @property
    def dialect(self) -> Dialect:
        """The dialect that statements are compiled for, with positional parameters."""

    def connect(self) -> Connection:
        """Open a connection; raises errors of this package."""

    def close(self, connection: Connection) -> None:
        """Close a connection; never raises errors of the DBAPI module."""

    def abandon(self, connection: Connection) -> None:
        """In a forked child, let go of a connection of the parent's, which goes on using it."""

    def one(self, connection: Connection, text: str, params: Parameters) -> Row | None:
        """Run a statement and return its first row."""

    def all(self, connection: Connection, text: str, params: Parameters) -> list[Row]:
        """Run a statement and return all its rows; an empty list if it returns none."""

    def cursor(self, connection: Connection, text: str, params: Parameters) -> Cursor:
        """Run a statement and return a cursor that fetches its rows piece by piece."""

    def end_stream(self, connection: Connection, cursor: Cursor, *, read_all: bool) -> bool:
        """Close a cursor of :meth:`cursor`; whether its connection can be used again."""

    def many(self, connection: Connection, text: str, rows: Iterable[Parameters]) -> list[Row]:
        """Run a statement once for each row of parameters; there are no rows to return."""

    def insert(self, connection: Connection, text: str, params: Parameters) -> int | None:
        """Insert at most one row and return its id, ``None`` if there is none.

        The statement returns the id where :attr:`row_ids` is false.
        """

    def in_transaction(self, connection: Connection, /) -> bool:
        """Whether a transaction is open, which some errors end by themselves."""

    def is_lost(self, error: Exception, connection: Connection, /) -> bool:
        """Whether an error means that the connection is of no more use."""

    def translated(self, error: Exception, connection: Connection = None, /) -> Exception:
        """Return the error of this package (or OSError) that says what the driver's says.

        Given the connection it came from, one that is lost counts as a reason that passes.
        """

    def engine(self) -> Engine:
        """Return an engine over connections of this driver."""
