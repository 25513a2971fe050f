"""What differs between database servers: settings of a session, errors, cursors that stream."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar, Final, Protocol

from fleche_like.database.driver import Connection, Cursor
from fleche_like.database.prepare import Parameters

A_YEAR_S: Final = 31_536_000
"""As good as for ever, and what every server takes."""


class System(Protocol):
    """One kind of server. Stateless."""

    read_only: Sequence[str]
    """Statements after which a session may not write."""

    def settings(self, timeout_s: float) -> Sequence[str]:
        """Return statements for a new session.

        Everything above relies on read committed: a transaction sees what others have committed
        meanwhile, and locks no gaps.
        """

    def adapt(self, connection: Connection) -> None:
        """Teach a new connection the types that we give and its driver does not know."""

    def lock_settings(self) -> Sequence[str]:
        """Return statements for a session that holds advisory locks."""

    def passes(self, error: Exception) -> bool:
        """Whether a server undid a transaction for a reason that passes: the next try may do."""

    def refuses_writes(self, error: Exception) -> bool:
        """Whether an error says that the session may not write."""

    def stream(self, connection: Connection, text: str, params: Parameters) -> Cursor:
        """Run a statement and return a cursor that holds only what was fetched last."""

    def end_stream(self, connection: Connection, cursor: Cursor, *, read_all: bool) -> bool:
        """Close the cursor of a stream; whether its connection can be used again."""


class Unknown:
    """A server that nobody here knows: everything works, streams are read at once."""

    read_only: Sequence[str] = ()

    def settings(self, timeout_s: float) -> Sequence[str]:  # noqa: ARG002
        return ()

    def adapt(self, connection: Connection) -> None:
        pass

    def lock_settings(self) -> Sequence[str]:
        return ()

    def passes(self, error: Exception) -> bool:
        return _sqlstate(error) == "40001"  # the standard's serialization failure

    def refuses_writes(self, error: Exception) -> bool:
        return _sqlstate(error) == "25006"  # the standard's read_only_sql_transaction

    def stream(self, connection: Connection, text: str, params: Parameters) -> Cursor:
        cursor = connection.cursor()
        cursor.execute(text, params)
        return cursor

    def end_stream(self, _connection: Connection, cursor: Cursor, *, read_all: bool) -> bool:  # noqa: ARG002
        cursor.close()
        return True


class PostgreSQL(Unknown):
    """PostgreSQL, by any driver whose cursors can have names."""

    read_only: Sequence[str] = ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",)

    # deadlock_detected, serialization_failure, lock_not_available, admin_shutdown
    _PASSING: ClassVar = frozenset({"40P01", "40001", "55P03", "57P01"})

    def settings(self, timeout_s: float) -> Sequence[str]:
        return (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
            f"SET lock_timeout = {max(1, round(timeout_s * 1000))}",
            # A consumer of a stream may take its time.
            "SET idle_in_transaction_session_timeout = 0",
        )

    def lock_settings(self) -> Sequence[str]:
        # A host that loses power says no goodbye: the server has to ask. Unix sockets ignore it.
        return (
            "SET tcp_keepalives_idle = 30",
            "SET tcp_keepalives_interval = 10",
            "SET tcp_keepalives_count = 3",
            "SET idle_session_timeout = 0",
        )

    def passes(self, error: Exception) -> bool:
        return _sqlstate(error) in self._PASSING

    def stream(self, connection: Connection, text: str, params: Parameters) -> Cursor:
        try:
            cursor = connection.cursor(name="stream")
        except TypeError:  # a driver without
            return super().stream(connection, text, params)
        try:
            with contextlib.closing(connection.cursor()) as beginning:
                beginning.execute("BEGIN READ ONLY")
            cursor.execute(text, params)
        except BaseException:
            with contextlib.suppress(Exception):  # the connection is given up in any case
                cursor.close()
            raise
        return cursor

    def end_stream(self, connection: Connection, cursor: Cursor, *, read_all: bool) -> bool:  # noqa: ARG002
        cursor.close()
        with contextlib.closing(connection.cursor()) as ending:
            ending.execute("COMMIT")
        return True


class MariaDB(Unknown):
    """MariaDB and MySQL."""

    read_only: Sequence[str] = ("SET SESSION TRANSACTION READ ONLY",)

    # lock wait timeout, deadlock, shutdown in progress, connection killed (also MariaDB's own)
    _PASSING: ClassVar = frozenset({1205, 1213, 1053, 1317, 1927})

    def settings(self, timeout_s: float) -> Sequence[str]:
        settings = {
            "innodb_lock_wait_timeout": max(1, round(timeout_s)),
            # Data that does not fit is an error, not something else that is stored instead.
            "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
            # The server waits for a consumer of a stream that takes its time.
            "net_write_timeout": A_YEAR_S,
        }
        assigned = ", ".join(f"SESSION {name} = {value}" for name, value in settings.items())
        assigned += _UNBOUNDED_RECURSION
        return ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", f"SET {assigned}")

    def adapt(self, connection: Connection) -> None:
        if _is_pymysql(connection):
            connection.encoders[memoryview] = lambda view, _: f"_binary X'{view.hex()}'"

    def lock_settings(self) -> Sequence[str]:
        # Holding a lock is no reason to be thrown out for being idle, however long a body runs.
        return (f"SET SESSION wait_timeout = {A_YEAR_S}",)

    def passes(self, error: Exception) -> bool:
        return _number(error) in self._PASSING

    def refuses_writes(self, error: Exception) -> bool:
        return _number(error) in {1290, 1792}

    def stream(self, connection: Connection, text: str, params: Parameters) -> Cursor:
        if not _is_pymysql(connection):
            return super().stream(connection, text, params)
        from pymysql.cursors import SSCursor

        cursor = connection.cursor(SSCursor)
        cursor.execute(text, params)
        return cursor

    def end_stream(self, _connection: Connection, cursor: Cursor, *, read_all: bool) -> bool:
        if read_all or not hasattr(cursor, "fetchall_unbuffered"):
            cursor.close()
            return True
        # Closing it earlier (and its destructor) reads all that is left: a new connection is
        # cheaper.
        if cursor._result is not None:
            cursor._result.unbuffered_active = False
        cursor.connection = None
        return False


SYSTEMS: Final[dict[str, System]] = {
    "postgresql": PostgreSQL(),
    "mysql": MariaDB(),
    "mariadb": MariaDB(),
}
UNKNOWN: Final[System] = Unknown()


_UNBOUNDED_RECURSION: Final = (
    "/*M!100300 , SESSION max_recursive_iterations = 4294967295 */"
    "/*!80003 , SESSION cte_max_recursion_depth = 4294967295 */"
)
"""MariaDB ends a recursion after 1,000 rounds and says nothing, MySQL with an error.

Each executes the comment that is its own.
"""


def _is_pymysql(connection: Connection) -> bool:
    return type(connection).__module__.partition(".")[0] == "pymysql"


def _sqlstate(error: Exception) -> str | None:
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def _number(error: Exception) -> object:
    return error.args[0] if error.args else None
