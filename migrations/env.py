"""Alembic's environment: `alembic upgrade head` from the root, and upgrades by the package.

The database is, in this order: the connection that the package hands over, `-x url=…`, the
variable `FLECHE_LIKE_URL`, the embedded cache `.fleche-like/index.db` below the current folder.
Locks, backups and refusals are those of `fleche-like db`: see fleche_like/index/schema.py.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import sqlalchemy as sa
from alembic import context

from fleche_like.database import Database
from fleche_like.index import schema
from fleche_like.index.models import VERSION_TABLE

DEFAULT = Path(".fleche-like/index.db")


def url() -> str:
    given = context.get_x_argument(as_dictionary=True).get("url")
    if given or (given := os.environ.get("FLECHE_LIKE_URL")):
        return given
    DEFAULT.parent.mkdir(mode=0o700, exist_ok=True)
    return f"sqlite:///{DEFAULT.absolute()}"


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=schema.target_metadata(),
        version_table=VERSION_TABLE,
        render_as_batch=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    handed = context.config.attributes.get("connection")
    if handed is not None:
        run(handed)
        return
    with contextlib.closing(Database(url())) as database:
        schema.refuse_newer(database, schema.revision(database))
        changes = command() in {"upgrade", "downgrade"}
        with schema.migrating(database) if changes else database.sqlalchemy_transaction() as given:
            run(given)


def command() -> str | None:
    """Return the name of the command that the command line was given."""
    given = getattr(context.config.cmd_opts, "cmd", None)
    return None if given is None else given[0].__name__


def run_offline() -> None:
    context.configure(
        url=url(),
        target_metadata=schema.target_metadata(),
        version_table=VERSION_TABLE,
        render_as_batch=True,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
