"""Alembic's environment: `alembic upgrade head` from the root, and upgrades by the package.

The database is, in this order: the connection that the package hands over, `-x url=…`, the
variable `FLECHE_LIKE_URL`, the embedded cache `.fleche-like/index.db` below the current folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from alembic import context

from fleche_like.index.models import VERSION_TABLE
from fleche_like.index.schema import target_metadata

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
        target_metadata=target_metadata(),
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
    engine = sa.create_engine(url(), poolclass=sa.pool.NullPool)
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            # The whole upgrade is one transaction that waits for other writers at its beginning.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        run(connection)


def run_offline() -> None:
    context.configure(
        url=url(),
        target_metadata=target_metadata(),
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
