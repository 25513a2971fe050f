"""The schema of a database: which revision it has, and bringing it to the one we need."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.backends.database import metadata as blobs_metadata
from fleche_like.database import Database
from fleche_like.errors import (
    DatabaseDamaged,
    DatabaseError,
    SchemaOutdated,
    SchemaTooNew,
)
from fleche_like.index.exclusive import exclusively
from fleche_like.index.models import REVISION, VERSION_TABLE, calls, metadata
from fleche_like.index.upserts import MYSQL

logger = logging.getLogger(__name__)

KNOWN: Final = ("0001", "0002", "0003", "0004", "0005")
"""Every revision up to ours, oldest first, so that checking a database needs no Alembic."""

PATIENCE_S: Final = 600
"""How long to wait for somebody else who migrates the same database on a server, in seconds."""

_version = sa.table(VERSION_TABLE, sa.column("version_num"))


def target_metadata() -> Sequence[sa.MetaData]:
    """Return the tables that the newest revision must leave: the index's and the blobs'."""
    return metadata, blobs_metadata


def migrations_path() -> Path:
    """Return the folder of the revisions: inside an installed package, else beside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def revision(database: Database) -> str | None:
    """Return the revision of a database's schema; ``None`` if it has none of our tables.

    One select, without Alembic, when there is one.
    """
    select = database.prepare(sa.select(_version.c.version_num))
    try:
        found = database.read_one(select)
    except DatabaseDamaged:
        raise
    except DatabaseError:
        if not _has_version_table(database):
            return None
        found = database.read_one(select)  # somebody may have made it since we asked
    return None if found is None else str(found[0])


def ensure(database: Database) -> None:
    """Make sure that a database has our schema.

    A fresh database gets it, whoever opens it first; an older SQLite file is upgraded (after a
    backup, and only if no other process has it open). A server's operator decides when theirs is.

    Raises:
        SchemaOutdated: it is older (or, opened read-only, empty); says what to run.
        SchemaTooNew: a later release wrote it.
    """
    try:
        _ensure(database)
    except OSError:
        database.close()  # nobody will use it
        raise


def _ensure(database: Database) -> None:
    found = revision(database)
    if found == REVISION:
        return
    refuse_newer(database, found)
    if database.read_only:
        raise outdated(database, found, "it was opened read-only")
    if found is not None and database.dialect != "sqlite" and not _is_being_made(database):
        raise outdated(database, found, "its operator decides when to upgrade it")
    _upgrade(database, "head")


def _is_being_made(database: Database) -> bool:
    """Whether an older schema is what a first opening left that died, or is still at it.

    Only where a change of the schema cannot be rolled back. Nobody's calls are there yet.
    """
    if database.dialect not in MYSQL:
        return False
    return database.read_one(database.prepare(sa.select(calls.c.id).limit(1))) is None


def upgrade(url: str | Path | Database, target: str = "head") -> None:
    """Bring a database to a later revision; nothing happens if it is there.

    A SQLite file is copied first, to a file whose name ends in the revision and ``.backup``. Of
    several processes that upgrade at once one does it, and the others wait for that.

    Raises:
        SchemaTooNew: a later release wrote it.
        SchemaOutdated: another process has the file open.
        DatabaseError: the upgrade failed; a SQLite file or a PostgreSQL database is as it was,
            on MariaDB the next upgrade goes on where this one ended.
    """
    with _opened(url) as database:
        refuse_newer(database, revision(database))
        _upgrade(database, target)


def downgrade(url: str | Path | Database, target: str) -> None:
    """Bring a database back to an earlier revision (``"base"``: to no index; blobs stay).

    Raises:
        As :func:`upgrade`.
    """
    with _opened(url) as database:
        refuse_newer(database, revision(database))
        with migrating(database) as connection:
            _alembic("downgrade", connection, target)


def stamp(url: str | Path | Database, target: str) -> None:
    """Say that a database has a revision, without changing anything else: for repairs by hand.

    Raises:
        SchemaTooNew: a later release wrote it.
    """
    with _opened(url) as database:
        refuse_newer(database, revision(database))
        with database.sqlalchemy_transaction() as connection:
            _alembic("stamp", connection, target)


def current(url: str | Path | Database) -> str | None:
    """Return the revision of a database; ``None`` if it has no index."""
    with _opened(url) as database:
        return revision(database)


def history() -> list[tuple[str, str]]:
    """Return revision and title of every revision, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return [(script.revision, script.doc) for script in reversed(list(scripts))]


def check(url: str | Path | Database) -> list[Any]:
    """Return the differences between a database and what we need; empty if there are none."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"version_table": VERSION_TABLE, "compare_type": True}
    with _opened(url, read_only=True) as database, _looking(database) as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, target_metadata()))  # type: ignore[arg-type]


@contextlib.contextmanager
def migrating(database: Database) -> Iterator[sa.Connection]:
    """Give the connection on which alone the schema is changed, in a transaction.

    Nobody else migrates meanwhile; a SQLite file with an index is held exclusively, after a
    backup. What `alembic` on the command line does goes through here too.

    Raises:
        SchemaOutdated: another process has the file open.
        DatabaseError: somebody else went on migrating for :data:`PATIENCE_S`; or a change failed.
        OSError: (ENOSPC) the disk is full.
    """
    try:
        if database.path is not None and revision(database) is not None:
            with exclusively(database, revision, _busy) as connection:
                yield connection
            return
        with database.sqlalchemy_transaction() as connection:
            _lock(connection, database)
            yield connection
    except sa.exc.DBAPIError as error:
        original: Any = error.orig
        raise database.driver.translated(original) from error


def _busy(database: Database, found: str | None) -> DatabaseError:
    if found == REVISION:
        return DatabaseError(
            f"{database.url} cannot be changed: another process has it open", url=database.url
        )
    return outdated(database, found, "another process has it open")


@contextlib.contextmanager
def _looking(database: Database) -> Iterator[sa.Connection]:
    if database.dialect == "sqlite" and database.path is None:  # it lives in its one connection
        with database.sqlalchemy_transaction() as connection:
            yield connection
        return
    with database.engine.connect() as connection:
        yield connection


def _opened(
    url: str | Path | Database, *, read_only: bool = False
) -> contextlib.AbstractContextManager[Database]:
    if isinstance(url, Database):
        return contextlib.nullcontext(url)
    return contextlib.closing(Database(url, read_only=read_only))


def _upgrade(database: Database, target: str) -> None:
    wanted = REVISION if target == "head" else target
    if revision(database) == wanted:
        return
    try:
        with migrating(database) as connection:
            # Somebody else may have done it while we waited for the lock.
            if _revision_within(connection) != wanted:
                _alembic("upgrade", connection, target)
    except SchemaOutdated:
        # Whoever has it open may be upgrading it: then this waits for the end of that.
        if revision(database) != wanted:
            raise
        return
    logger.info("upgraded %s to %s", database.url, target)


def _lock(connection: sa.Connection, database: Database) -> None:
    """Let one process migrate at a time; SQLite's transaction does that by itself."""
    if database.dialect == "postgresql":
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'"))
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('fleche_like'))"))
    elif database.dialect in MYSQL:
        name = "concat('fleche_like ', md5(database()))"  # the server's names are common to all
        ours = connection.execute(sa.text(f"SELECT get_lock({name}, {PATIENCE_S})")).scalar()
        if ours != 1:
            raise DatabaseError(
                f"somebody else went on migrating {database.url} for {PATIENCE_S} s",
                url=database.url,
            )


def _revision_within(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.select(_version.c.version_num)).scalar()


def _has_version_table(database: Database) -> bool:
    if database.dialect == "sqlite":
        tables = sa.text("SELECT 1 FROM sqlite_master WHERE name = :name").columns(sa.column("1"))
        found = database.prepare(tables.bindparams(sa.bindparam("name")), ("name",))
        return database.read_one(found, (VERSION_TABLE,)) is not None
    try:
        return sa.inspect(database.engine).has_table(VERSION_TABLE)
    except sa.exc.DBAPIError as error:  # a server that is not there, say
        raise DatabaseError(f"{error.orig} ({database.url})", url=database.url) from None


def _alembic(action: str, connection: sa.Connection, target: str) -> None:
    from alembic import command

    getattr(command, action)(_config(connection), target)


def _config(connection: sa.Connection | None) -> Any:
    from alembic.config import Config

    config = Config()
    # The option is interpolated: a per cent sign in the path would name another option.
    config.set_main_option("script_location", str(migrations_path()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def refuse_newer(database: Database, found: str | None) -> None:
    """Raise if a database has a revision that we do not know.

    Raises:
        SchemaTooNew: names both.
    """
    if found is not None and found not in KNOWN:
        raise SchemaTooNew(
            f"{database.url} has schema {found}, written by a newer fleche-like; this release"
            f" knows schemas up to {REVISION}: upgrade the package",
            url=database.url,
            found=found,
            wanted=REVISION,
        )


def outdated(database: Database, found: str | None, reason: str) -> SchemaOutdated:
    """Return the error that says which revision is there and which command to run."""
    return SchemaOutdated(
        f"{database.url} has {'no index' if found is None else f'schema {found}'}, {REVISION} is"
        f" needed, and {reason}; run: fleche-like db upgrade --cache {database.url}",
        url=database.url,
        found=found,
        wanted=REVISION,
    )
