"""One database: pooled connections, prepared statements, units of work."""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import get_ident
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.sql import ClauseElement

from fleche_like.database import forks, prepare
from fleche_like.database.block import Block
from fleche_like.database.driver import Connection, Driver
from fleche_like.database.pool import Pool
from fleche_like.database.prepare import Parameters, Prepared, Row, arranged
from fleche_like.database.retries import retrying
from fleche_like.database.servers import ServerDriver
from fleche_like.database.sqlite import Durability, SqliteDriver, borrowed
from fleche_like.database.stream import Stream
from fleche_like.database.unit import Unit
from fleche_like.database.urls import file_of, parsed_url, without_secrets
from fleche_like.errors import DatabaseError, ReadOnlyError
from fleche_like.support.redact import redact

logger = logging.getLogger(__name__)

FORK_PATIENCE_S = 5.0
"""How long a fork waits for other threads to finish their transactions."""

T = TypeVar("T")


class Database:
    """A database that blobs and the index share, so that they can commit together.

    Args:
        url: any SQLAlchemy URL, or the path of a SQLite file; ``sqlite:///file`` is created if
            absent, ``sqlite://`` lives in memory and in this object alone. A relative path is made
            absolute now.
        read_only: refuse every write, and the creation of a file.
        durability: ``"process"``: commits survive the death of the process; ``"power"``: each is
            synced. SQLite only; servers have settings of their own.
        timeout_s: how long to wait for a lock or a connection, in seconds.
        max_connections: bound of the pool; streams that are being consumed come on top.
        keep_secrets: let a password in the URL travel with pickles.

    Raises:
        ConfigError: the URL makes no sense.
        MissingExtra: the driver of the URL's database is not installed.

    Thread-safe. A forked child opens connections of its own; what the parent's other threads
    were writing is theirs alone. Pickles as its configuration.

    >>> import sqlalchemy as sa
    >>> database = Database("sqlite://")
    >>> total = database.prepare(sa.select(sa.bindparam("a") + sa.bindparam("b")), ("a", "b"))
    >>> database.read_one(total, (1, 2))
    (3,)
    """

    def __init__(
        self,
        url: str | Path,
        *,
        read_only: bool = False,
        durability: Durability = "process",
        timeout_s: float = 60.0,
        max_connections: int = 8,
        keep_secrets: bool = False,
    ) -> None:
        self._parsed = parsed_url(url)
        self._options: dict[str, Any] = {
            "read_only": read_only,
            "durability": durability,
            "timeout_s": timeout_s,
            "max_connections": max_connections,
            "keep_secrets": keep_secrets,
        }
        self.read_only = read_only
        self.path = file_of(self._parsed)
        if self.path is not None:
            self._parsed = self._parsed.set(database=str(self.path))
        self.url = redact(self._parsed.render_as_string(hide_password=False))
        self.dialect = self._parsed.get_backend_name()
        self._timeout_s = timeout_s
        self._driver = self._chosen_driver(durability)
        self.row_ids = self._driver.row_ids
        self._pool = Pool(self._driver, max_connections, timeout_s)
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._reset()
        forks.watch(self)

    def _chosen_driver(self, durability: Durability) -> Driver:
        if self.dialect != "sqlite":
            return ServerDriver(self._parsed, read_only=self.read_only, timeout_s=self._timeout_s)
        return SqliteDriver(
            self.path,
            self.url,
            read_only=self.read_only,
            durability=durability,
            timeout_s=self._timeout_s,
        )

    def _reset(self) -> None:
        self._idle = self._pool.idle
        self._units: dict[int, Unit] = {}
        self._writer: Any = threading.RLock()  # which knows its owner
        self._one = self._driver.one
        self._errors = self._driver.errors

    def __repr__(self) -> str:
        return f"Database({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        keep = self._options["keep_secrets"]
        url = self._parsed if keep else without_secrets(self._parsed)
        return _rebuilt, (url.render_as_string(hide_password=False), self._options)

    @property
    def name(self) -> str:
        """What the server calls this database; the path of a file."""
        return self._parsed.database or ""

    @property
    def driver(self) -> Driver:
        """What knows this kind of database: for this floor alone."""
        return self._driver

    @property
    def engine(self) -> Engine:
        """A SQLAlchemy engine over connections of its own: for Alembic, not for hot paths."""
        return self._driver.engine()

    def prepare(self, statement: ClauseElement, order: Sequence[str] = ()) -> Prepared:
        """Compile a statement to text whose parameters are then a plain tuple in ``order``."""
        return prepare.prepare(statement, order, self._driver.dialect)

    def bound(self, statement: ClauseElement) -> tuple[Prepared, Row]:
        """Compile a statement that holds its parameters; return text and parameters."""
        return prepare.bound(statement, self._driver.dialect)

    def transaction(self) -> AbstractContextManager[None]:
        """Commit what this thread writes inside together, or nothing of it.

        The transaction begins at the first write: what is read or prepared before that holds no
        lock. Blocks nest; once something was written, an inner block that raises undoes the whole,
        even if the error is caught on the way out.

        Raises:
            DatabaseError: another writer held the database for ``timeout_s``; or the error of an
                inner block was caught: all is undone then, and this says so.
        """
        return Block(self)

    def retrying(self, action: Callable[[], T]) -> T:
        """Run an action in a transaction, and again if the server undid it.

        Deadlocks, serialization failures and lost connections pass: what two writers did to each
        other does not concern their callers. Inside an open transaction the action is run just
        once: whoever began that has to begin again.

        Args:
            action: does nothing but write and read here, and may be run twice even when the first
                time was committed (a connection can be lost while it says so).

        Returns:
            What the action returned the last time.

        Raises:
            DatabaseError: as :meth:`transaction`; a reason that passes did not for ``timeout_s``.
        """
        if self.in_transaction():
            return action()

        def attempt() -> T:
            with self.transaction():
                return action()

        return retrying(attempt, self._timeout_s)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Open a transaction of its own inside an open one, on another connection.

        What it writes stays even if the outer one is undone, and its locks are not held until
        that ends. Not on SQLite, where there is one writer.
        """
        assert self.dialect != "sqlite"
        thread = get_ident()
        outer = self._units.pop(thread, None)
        try:
            keeps = outer is not None and outer.connection is not None
            with self._pool.beyond(keeps), self.transaction():
                yield
        finally:
            if outer is not None:
                self._units[thread] = outer

    def after_commit(
        self, call: Callable[[], None], undone: Callable[[], object] | None = None
    ) -> None:
        """Call back once what this thread is writing has committed; at once if nothing is open.

        Args:
            call: called after the commit.
            undone: called instead if what this thread is writing was rolled back.
        """
        unit = self._units.get(get_ident())
        if unit is None:
            call()
            return
        unit.committed.append(call)
        if undone is not None:
            unit.undone.append(undone)

    def in_transaction(self) -> bool:
        """Whether this thread is inside :meth:`transaction`."""
        return get_ident() in self._units

    def is_writing(self) -> bool:
        """Whether this thread has written in an open transaction: on SQLite nobody else can."""
        return self._held() is not None

    def read_one(self, prepared: Prepared, params: Parameters = ()) -> Row | None:
        """Return the first row, or ``None``; sees this thread's uncommitted writes."""
        text, arrange = prepared
        if arrange is not None:
            params = arrange(params)
        # The dict is empty but for open transactions, so that this costs next to nothing.
        unit = self._units and self._units.get(get_ident())
        if unit and unit.connection is not None:
            rows = self._run_in(unit, self._driver.all, text, params)
            return rows[0] if rows else None
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.acquire()
        try:
            row = self._one(connection, text, params)
        except self._errors as error:
            self._settle(connection, error)
            rows = self._pooled(lambda fresh: self._driver.all(fresh, text, params))
            return rows[0] if rows else None
        except BaseException:
            self._pool.discard(connection)
            raise
        self._idle.append(connection)
        if self._pool.waiting:
            self._pool.wake()
        return row

    def read(self, prepared: Prepared, params: Parameters = ()) -> list[Row]:
        """Return all rows; sees this thread's uncommitted writes."""
        text, params = arranged(prepared, params)
        unit = self._units.get(get_ident())
        if unit is not None and unit.connection is not None:
            return self._run_in(unit, self._driver.all, text, params)
        return self._pooled(lambda connection: self._driver.all(connection, text, params))

    def stream(self, prepared: Prepared, params: Parameters = ()) -> Iterator[Row]:
        """Yield rows in bounded memory; others may write while the consumer thinks.

        The rows are those of the moment of the call. Where the database cannot do that (a SQLite
        file on a network file system, or in memory), inside a transaction that has written, and
        when very many streams are open, the rows are read at once.
        """
        text, params = arranged(prepared, params)
        if self._held() is not None or not self._driver.snapshots:
            return iter(self.read(Prepared(text), params))
        connection = self._pool.acquire_for_stream()
        if connection is None:
            return iter(self.read(Prepared(text), params))
        try:
            cursor = self._driver.cursor(connection, text, params)
        except self._errors as error:
            lost = self._driver.is_lost(error, connection)
            self._pool.release_from_stream(connection, usable=False)
            if not lost:
                raise self._driver.translated(error) from error
            return iter(self.read(Prepared(text), params))
        except BaseException:
            self._pool.release_from_stream(connection, usable=False)
            raise
        return self._streamed(cursor, connection)

    def _streamed(self, cursor: Any, connection: Connection) -> Iterator[Row]:
        def finished(cursor: Any, read_all: bool, error: Exception | None) -> None:
            usable = self._driver.end_stream(connection, cursor, read_all=read_all)
            self._pool.release_from_stream(connection, usable=usable and error is None)

        stream = Stream(cursor, finished, self._driver)
        self._streams.add(stream)
        return stream

    def write(
        self, prepared: Prepared, params: Parameters = (), *, repeatable: bool = True
    ) -> list[Row]:
        """Run a statement that writes; in a transaction of its own if none is open.

        Then it is run again if the server undid it for a reason that passes, or if the connection
        was lost: which it can only stand if running it twice does no harm.

        Args:
            prepared: the statement.
            params: its parameters.
            repeatable: whether running it twice does no harm.

        Returns:
            The rows of its ``RETURNING`` clause, if it has one.

        Raises:
            ReadOnlyError: the database was opened read-only.
            OSError: (ENOSPC) the disk is full; nothing was written.
            DatabaseError: anything else; nothing was written.
        """
        text, params = arranged(prepared, params)
        unit = self._units.get(get_ident())
        if unit is not None:
            return self._run_in(unit, self._driver.all, text, params)
        return self._write_alone(
            lambda held: self._driver.all(held, text, params), repeatable=repeatable
        )

    def insert(self, prepared: Prepared, params: Parameters = ()) -> int | None:
        """Run a statement that inserts at most one row, as :meth:`write` does.

        It has to return the row's id unless :attr:`row_ids`.

        Returns:
            The id of the row; ``None`` if none was inserted.
        """
        text, params = arranged(prepared, params)
        unit = self._units.get(get_ident())
        if unit is None:
            with self.transaction():
                return self.insert(Prepared(text), params)
        return self._run_in(unit, self._driver.insert, text, params)

    def write_many(self, prepared: Prepared, rows: Iterable[Parameters]) -> None:
        """Run a writing statement for each row of parameters; all of it commits or nothing."""
        text, arrange = prepared
        arranged = rows if arrange is None else map(arrange, rows)
        with self.transaction():
            self._run_in(self._units[get_ident()], self._driver.many, text, arranged)

    @contextlib.contextmanager
    def sqlalchemy_transaction(self) -> Iterator[sa.Connection]:
        """Begin a transaction and give its connection as SQLAlchemy's: what Alembic works on.

        On SQLite it holds the write lock from the beginning, and commits with the surrounding
        :meth:`transaction`, if there is one.
        """
        if self.dialect != "sqlite":
            with self.engine.begin() as connection:
                yield connection
            return
        with self.transaction():
            held = self._begun(self._units[get_ident()])
            with borrowed(held) as connection:
                yield connection

    def close(self) -> None:
        """Close all idle connections; a later use opens new ones."""
        for stream in list(self._streams):
            stream.close()
        self._pool.close()

    # --- units of work -------------------------------------------------------------------------

    def _held(self) -> Connection | None:
        unit = self._units.get(get_ident())
        return None if unit is None else unit.connection

    def _begun(self, unit: Unit) -> Connection:
        if unit.doom is not None:
            raise self._doomed(unit.doom) from unit.doom
        if unit.connection is None:
            self._begin(unit)
        elif not self._driver.in_transaction(unit.connection):
            raise DatabaseError(f"the database ended the transaction ({self.url})", url=self.url)
        return unit.connection

    def _begin(self, unit: Unit) -> None:
        try:
            self._queue_to_write()
            unit.connection = self._beginning()
        except BaseException:
            self._leave_queue()
            raise

    def _beginning(self, *, last: bool = False) -> Connection:
        connection = self._pool.acquire()
        try:
            self._driver.all(connection, self._driver.begin, ())
        except self._errors as error:
            self._settle(connection, error, last=last)
            return self._beginning(last=True)
        except BaseException:
            self._pool.discard(connection)
            raise
        return connection

    def _abandon(self, unit: Unit) -> None:
        """Undo a unit that an interrupt left behind, so that what comes next can commit."""
        logger.warning("what an interrupted block wrote to %s is undone", self.url)
        del self._units[get_ident()]
        self._discard(unit)
        unit.rolled_back()

    def _discard(self, unit: Unit) -> None:
        connection, unit.connection = unit.connection, None
        if connection is not None:
            self._pool.discard(connection)
        self._leave_queue()

    def _left(self, block: weakref.ref[Any]) -> None:
        """Undo the unit of a block that is gone, at once: others wait for its locks."""
        unit = self._units.get(get_ident())
        if unit is not None and unit.owner is block:
            self._abandon(unit)

    def _end(self, unit: Unit, *, commit: bool) -> None:
        if self._units.get(get_ident()) is not unit:
            raise DatabaseError(
                f"a transaction that was begun elsewhere ({self.url})", url=self.url
            )
        try:
            if unit.connection is not None:
                self._finish(unit, unit.connection, commit=commit)
            # From here on the unit is no more: nothing that is called back may add to it.
            del self._units[get_ident()]
        except BaseException:
            self._units.pop(get_ident(), None)
            self._discard(unit)
            unit.rolled_back()
            raise
        if not commit:
            unit.rolled_back()
            return
        for call in unit.committed:
            call()

    def _doomed(self, doom: BaseException) -> DatabaseError:
        return DatabaseError(
            f"the transaction was undone, since a block inside it failed: {doom!r} ({self.url})",
            url=self.url,
            transient=getattr(doom, "transient", False),
        )

    def _finish(self, unit: Unit, connection: Connection, *, commit: bool) -> None:
        try:
            self._run(self._driver.all, connection, "COMMIT" if commit else "ROLLBACK", ())
        except BaseException:
            # A commit that failed leaves the transaction open, a connection that failed is of no
            # use: closing it rolls back in either case.
            self._discard(unit)
            if commit:
                raise
        else:
            unit.connection = None
            self._pool.release(connection)
        finally:
            self._leave_queue()

    def _write_alone(
        self, action: Callable[[Connection], list[Row]], *, repeatable: bool
    ) -> list[Row]:
        try:
            self._queue_to_write()
            if not repeatable:
                return self._pooled(action, tries=1)
            return retrying(lambda: self._pooled(action, tries=1), self._timeout_s)
        finally:
            self._leave_queue()

    def _queue_to_write(self) -> None:
        if self.read_only:
            raise ReadOnlyError(f"{self.url} was opened read-only", url=self.url)
        if not self._driver.one_writer:
            return
        # Nobody queues twice: a lock that is ours already was left by an interrupt.
        while self._writer._is_owned():
            self._writer.release()
        if not self._writer.acquire(timeout=self._timeout_s):
            raise DatabaseError(
                f"another thread was writing for {self._timeout_s:g} s ({self.url})", url=self.url
            )

    def _leave_queue(self) -> None:
        if self._driver.one_writer and self._writer._is_owned():
            self._writer.release()

    # --- errors --------------------------------------------------------------------------------

    def _run(self, action: Callable[..., T], connection: Connection, *args: Any) -> T:
        try:
            return action(connection, *args)
        except self._errors as error:
            raise self._driver.translated(error, connection) from error

    def _run_in(self, unit: Unit, action: Callable[..., T], *args: Any) -> T:
        """Run an action on a unit's connection; where errors undo a transaction, they doom it."""
        connection = self._begun(unit)
        try:
            return self._run(action, connection, *args)
        except BaseException as error:
            if self._driver.errors_undo and unit.doom is None:
                unit.doom = error
                if not isinstance(error, Exception):
                    # What nobody waits for any more would be taken for the next answer.
                    self._driver.close(connection)
            raise

    def _pooled(self, action: Callable[[Connection], list[Row]], *, tries: int = 2) -> list[Row]:
        """Run an action on a pooled connection; once more if that turns out to be lost."""
        connection = self._pool.acquire()
        try:
            rows = action(connection)
        except self._errors as error:
            self._settle(connection, error, last=tries == 1)
            return self._pooled(action, tries=tries - 1)
        except BaseException:
            self._pool.discard(connection)
            raise
        self._pool.release(connection)
        return rows

    def _settle(self, connection: Connection, error: Exception, *, last: bool = False) -> None:
        """Discard a lost connection, so that the caller can try another; else raise the error."""
        lost = self._driver.is_lost(error, connection)
        if lost:
            self._pool.discard(connection)
            self._pool.close()  # what broke one has broken the others
        else:
            self._pool.release(connection)
        if last or not lost:
            raise self._driver.translated(error, connection) from error

    # --- forks ---------------------------------------------------------------------------------

    def _before_fork(self) -> None:
        for stream in list(self._streams):
            stream.drain()
        # Waiting for the transaction of the thread that forks would be waiting for ourselves.
        patience_s = 0.0 if self._held() is not None else FORK_PATIENCE_S
        self._quiet = self._pool.freeze(patience_s)

    def _after_fork_in_parent(self) -> None:
        self._pool.thaw()

    def _after_fork_in_child(self) -> None:
        reason = None
        if not self._quiet and self.dialect == "sqlite":
            reason = f"the process was forked in the middle of a transaction on {self.url}"
        for unit in self._units.values():
            if unit.connection is not None:
                self._driver.abandon(unit.connection)
        self._pool.renew(reason)
        self._reset()


def _rebuilt(url: str, options: dict[str, Any]) -> Database:
    return Database(url, **options)
