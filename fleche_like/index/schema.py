"""The schema of a database: which revision it has, and bringing it to the one we need."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.backends.database import metadata as blobs_metadata
from fleche_like.database import Database
from fleche_like.errors import (
    DatabaseDamaged,
    DatabaseError,
    SchemaError,
    SchemaOutdated,
    SchemaTooNew,
)
from fleche_like.index.models import REVISION, VERSION_TABLE, metadata

logger = logging.getLogger(__name__)

KNOWN: Final = ("0001", "0002", "0003", "0004")
"""Every revision up to ours, oldest first, so that checking a database needs no Alembic."""

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
    try:
        found = database.read_one(database.prepare(sa.select(_version.c.version_num)))
    except DatabaseDamaged:
        raise
    except DatabaseError:
        if _has_version_table(database):
            raise
        return None
    return None if found is None else str(found[0])


def ensure(database: Database) -> None:
    """Make sure that a database has our schema.

    A fresh database gets it, whoever opens it first; an older SQLite file is upgraded (after a
    backup, and only if no other process has it open). A server's operator decides when theirs is.

    Raises:
        SchemaOutdated: it is older (or, opened read-only, empty); says what to run.
        SchemaTooNew: a later release wrote it.
    """
    found = revision(database)
    if found == REVISION:
        return
    _refuse_newer(database, found)
    if database.read_only:
        raise _outdated(database, found, "it was opened read-only")
    if found is None:
        _upgrade(database, "head")
    elif database.dialect != "sqlite":
        raise _outdated(database, found, "its operator decides when to upgrade it")
    else:
        _upgrade_file(database, found)


def upgrade(url: str | Path | Database, target: str = "head") -> None:
    """Bring a database to a later revision; nothing happens if it is there.

    Raises:
        SchemaTooNew: a later release wrote it.
        DatabaseError: the upgrade failed; a SQLite file is as it was.
    """
    with _opened(url) as database:
        found = revision(database)
        _refuse_newer(database, found)
        if found is None or database.path is None:
            _upgrade(database, target)
        elif found != REVISION:
            _upgrade_file(database, found, target)


def downgrade(url: str | Path | Database, target: str) -> None:
    """Bring a database back to an earlier revision (``"base"``: to no index; blobs stay)."""
    with _opened(url) as database:
        _refuse_newer(database, revision(database))
        with database.sqlalchemy_transaction() as connection:
            _alembic("downgrade", connection, target)


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
    with _opened(url) as database, database.sqlalchemy_transaction() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, target_metadata()))  # type: ignore[arg-type]


def _opened(url: str | Path | Database) -> contextlib.AbstractContextManager[Database]:
    if isinstance(url, Database):
        return contextlib.nullcontext(url)
    return contextlib.closing(Database(url))


def _upgrade(database: Database, target: str) -> None:
    with database.sqlalchemy_transaction() as connection:
        _lock(connection)
        # Somebody else may have done it while we waited for the lock.
        if _revision_within(connection) != (REVISION if target == "head" else target):
            _alembic("upgrade", connection, target)
            logger.info("upgraded %s to %s", database.url, target)


def _upgrade_file(database: Database, found: str, target: str = "head") -> None:
    assert database.path is not None
    _claim(database, found)
    backup = _backup(database.path, found)
    _upgrade(database, target)
    logger.info("the file before the upgrade is kept as %s", backup)


def _claim(database: Database, found: str) -> None:
    """Make sure that no other connection has the file open, which alone may change its journal."""
    database.close()
    assert database.path is not None
    with contextlib.closing(sqlite3.connect(database.path, timeout=1.0)) as connection:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = delete").fetchone()
        except sqlite3.OperationalError as error:
            raise _outdated(database, found, "another process has it open") from error
    if mode != "delete":
        raise _outdated(database, found, "another process has it open")


def _backup(path: Path, found: str) -> Path:
    """Copy a database through SQLite's own backup, after a look at the free space."""
    needed, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < 2 * needed:
        raise DatabaseError(
            f"upgrading {path} needs {2 * needed:,} bytes for a backup; {free:,} are free",
            url=str(path),
        )
    backup = path.with_name(f"{path.name}.{found}.backup")
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(backup)) as copy,
    ):
        source.backup(copy)
    backup.chmod(path.stat().st_mode & 0o777)
    return backup


def _lock(connection: sa.Connection) -> None:
    """Let one upgrade run at a time; SQLite's transaction does that by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('fleche_like'))"))
    elif connection.dialect.name in {"mysql", "mariadb"}:
        connection.execute(sa.text("SELECT get_lock('fleche_like', 60)"))


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


def _refuse_newer(database: Database, found: str | None) -> None:
    if found is not None and found not in KNOWN:
        raise SchemaTooNew(
            f"{database.url} has schema {found}, written by a newer fleche-like; this release"
            f" knows schemas up to {REVISION}: upgrade the package",
            url=database.url,
            found=found,
            wanted=REVISION,
        )


def _outdated(database: Database, found: str | None, reason: str) -> SchemaError:
    return SchemaOutdated(
        f"{database.url} has {'no index' if found is None else f'schema {found}'}, {REVISION} is"
        f" needed, and {reason}; run: fleche-like db upgrade --cache {database.url}",
        url=database.url,
        found=found,
        wanted=REVISION,
    )
