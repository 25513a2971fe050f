"""Advisory locks of a database server, all held on one connection of the process.

A server releases the locks of a session when the session ends: so they need no cleaning up after
a crash, and no table. What they need is a connection that stays open, hence one for the whole
process, however many locks are held and however many threads wait for one.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from typing import Any, Final

from fleche_like.database.database import Database
from fleche_like.database.driver import Connection
from fleche_like.database.prepare import Parameters
from fleche_like.database.systems import SYSTEMS
from fleche_like.errors import ConfigError
from fleche_like.support.forks import renew_after_fork

_MYSQL: Final = ("mysql", "mariadb")
_DIALECTS: Final = ("postgresql", *_MYSQL)


class AdvisoryLocks:
    """Locks by digest, among all threads, processes and hosts that use one server.

    A lock belongs to this object: whoever got ``True`` from :meth:`try_acquire` holds it until
    :meth:`release`, from whichever thread, or until the process, its connection or the server
    dies. Locks are not re-entrant: a second :meth:`try_acquire` of a held key is ``False`` for
    every thread, the one that holds it included. Nothing ever waits; who wants to wait polls, with
    pauses that grow, and costs the server no connection while it does.

    Make one for each :class:`Database` and keep it: the one connection is opened at the first use
    and is no part of the database's pool. Where sessions are not a client's own (PgBouncer in
    transaction mode), these locks lock nothing.

    A *forked* child holds none of its parent's locks, and neither takes nor keeps any away from it.

    Args:
        database: on PostgreSQL, MariaDB or MySQL.
        namespace: the same keys in another namespace are other locks.

    Raises:
        ConfigError: the database has no advisory locks; see :meth:`supported`.

    Thread-safe and fork-safe.

    ::

        locks = AdvisoryLocks(cache.calls.database)
        if locks.try_acquire(key):
            try:
                ...                       # compute and store
            finally:
                locks.release(key)
        else:
            ...                           # somebody computes it: look into the cache, and again
    """

    def __init__(self, database: Database, namespace: str = "") -> None:
        if not self.supported(database):
            raise ConfigError(f"{database.dialect} has no advisory locks ({database.url})")
        # MariaDB's names are the whole server's; PostgreSQL's numbers are one database's.
        self._scope = f"fleche-like\0{database.name}\0{namespace}\0".encode()
        self._name: Callable[[bytes], str | int] = _text if database.dialect in _MYSQL else _number
        self._acquire, self._release = _STATEMENTS[database.dialect]
        self._driver = database.driver
        self._settings = SYSTEMS[database.dialect].lock_settings()
        self._connection: Connection | None = None
        self._renew_after_fork()
        renew_after_fork(self)

    @staticmethod
    def supported(database: Database) -> bool:
        """Return whether a database has advisory locks: servers do, SQLite files do not."""
        return database.dialect in _DIALECTS

    def try_acquire(self, key: str) -> bool:
        """Take the lock of a key if nobody holds it; interrupted (Ctrl-C), it holds nothing.

        A connection that turns out to be lost is replaced; every lock that was held on it is lost.

        Args:
            key: a digest, or any other text.

        Raises:
            DatabaseError: the server cannot be reached.
        """
        params, ours = (self._name(self._scope + key.encode()),), False
        try:
            with self._guard:
                if key in self._held:
                    return False
                ours = True
                if not self._retried(self._acquire, params):
                    ours = False
                    return False
                self._held[key] = params
                return True
        except BaseException:
            if ours:  # an interrupt: it may have been taken, and nobody would know of it
                with self._guard:
                    self._held.setdefault(key, params)
                self.release(key)
            raise

    def release(self, key: str) -> None:
        """Give up the lock of a key; silent if it is not held (or was lost with its connection).

        Interrupted, to be called again.

        Raises nothing for the server's sake: a connection that fails is closed, which releases.
        """
        with self._guard:
            params = self._held.get(key)
            if params is None:
                return
            try:
                if self._connection is not None:
                    self._driver.one(self._connection, self._release, params)
            except self._driver.errors:
                self._lose()
            except BaseException:  # an interrupt: nobody knows what the connection will say next
                self._lose()
                raise
            self._held.pop(key, None)

    def holds(self, key: str) -> bool:
        """Return whether a lock that was taken is still ours: one round trip to the server.

        ``False`` once its connection was lost, for then somebody else may have it.
        """
        with self._guard:
            if key not in self._held or self._connection is None:
                return False
            try:
                self._driver.one(self._connection, "SELECT 1", ())
            except self._driver.errors:
                self._lose()
            return key in self._held

    def close(self) -> None:
        """Release every lock and close the connection; a later use opens another.

        The locks are free when this returns: a server takes its time to notice a closed connection.
        """
        for key in tuple(self._held):
            self.release(key)
        with self._guard:
            self._lose()

    def _retried(self, text: str, params: Parameters) -> Any:
        """Return the first column of a statement, on a fresh connection if ours is lost."""
        fresh = self._connection is None
        if self._connection is None:
            self._connection = self._opened()
        try:
            row = self._driver.one(self._connection, text, params)
        except self._driver.errors as error:
            lost = self._driver.is_lost(error, self._connection)
            self._lose()
            if fresh or not lost:
                raise self._driver.translated(error) from error
            return self._retried(text, params)
        except BaseException:  # an interrupt: nobody knows what the connection will say next
            self._lose()
            raise
        return None if row is None else row[0]

    def _opened(self) -> Connection:
        connection = self._driver.connect()
        for setting in self._settings:
            # An older server may not know one; each only makes things better.
            with contextlib.suppress(*self._driver.errors):
                self._driver.all(connection, setting, ())
        return connection

    def _lose(self) -> None:
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            self._driver.close(connection)

    def _renew_after_fork(self) -> None:
        inherited, self._connection = self._connection, None
        if inherited is not None:
            self._driver.abandon(inherited)
        self._guard = threading.Lock()
        self._held: dict[str, Parameters] = {}


def _number(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)


def _text(name: bytes) -> str:
    return hashlib.blake2b(name, digest_size=16).hexdigest()


_GET_LOCK: Final = "SELECT GET_LOCK(%s, 0)"
_RELEASE_LOCK: Final = "SELECT RELEASE_LOCK(%s)"
_STATEMENTS: Final = {
    "postgresql": (
        "SELECT pg_try_advisory_lock(%s::bigint)",
        "SELECT pg_advisory_unlock(%s::bigint)",
    ),
    "mysql": (_GET_LOCK, _RELEASE_LOCK),
    "mariadb": (_GET_LOCK, _RELEASE_LOCK),
}
