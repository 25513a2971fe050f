"""Records of calls move from the blobs into the rows of their calls.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-21

A record beside its row dirties no page of its own, and needs no key of 45 characters. Records that
have no row stay among the blobs, and those that are kept elsewhere stay there.

Imports nothing of the package and freezes its types. On MariaDB every step can be done again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH = 5_000

BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")

logger = logging.getLogger("alembic.runtime.migration")

BLOBS = sa.table("blobs", sa.column("key", sa.String), sa.column("data"), sa.column("mtime"))
CALLS = sa.table(
    "calls",
    sa.column("id"),
    sa.column("key", sa.String),
    sa.column("used", sa.BigInteger),
    sa.column("record"),
)
PATH = (
    sa.literal("calls/")
    + sa.func.substr(CALLS.c.key, 1, 2, type_=sa.String)
    + "/"
    + sa.func.substr(CALLS.c.key, 3, 2, type_=sa.String)
    + "/"
    + CALLS.c.key
)


def upgrade() -> None:
    column = sa.Column("record", BLOB, nullable=True)
    op.add_column("calls", column, **unless("if_not_exists"))
    data = sa.select(BLOBS.c.data).where(BLOBS.c.key == PATH).scalar_subquery()
    for part in batches():
        op.execute(sa.update(CALLS).where(part, CALLS.c.record.is_(None)).values(record=data))
        remove_blobs(part)


def downgrade() -> None:
    if not has_records():
        return
    now: Any = sa.literal(time.time(), sa.Double())
    for part in batches():
        remove_blobs(part)
        moved = sa.select(PATH, CALLS.c.record, sa.func.coalesce(CALLS.c.used, now))
        moved = moved.where(part, CALLS.c.record.is_not(None))
        op.execute(sa.insert(BLOBS).from_select(["key", "data", "mtime"], moved))
    op.drop_column("calls", "record", **unless("if_exists"))


def has_records() -> bool:
    """Return whether the column is there, which a downgrade that was killed may have dropped."""
    if context.is_offline_mode():
        return True
    columns = sa.inspect(op.get_bind()).get_columns("calls")
    return any(column["name"] == "record" for column in columns)


def remove_blobs(part: Any) -> None:
    moved = sa.and_(part, CALLS.c.record.is_not(None))
    if op.get_context().dialect.name == "sqlite":
        where: Any = BLOBS.c.key.in_(sa.select(PATH).where(moved).scalar_subquery())
    else:  # MariaDB would look at every blob for each call
        where = sa.and_(BLOBS.c.key == PATH, moved)
    op.execute(sa.delete(BLOBS).where(where))


def unless(condition: str) -> dict[str, Any]:
    return {condition: True} if op.get_context().dialect.name == "mariadb" else {}


def batches() -> Iterator[Any]:
    """Yield conditions that take all calls together, some at a time, and tell how far we are."""
    if context.is_offline_mode():
        yield sa.true()
        return
    last = op.get_bind().execute(sa.select(sa.func.max(CALLS.c.id))).scalar() or 0
    for start in range(0, last, BATCH):
        yield sa.and_(CALLS.c.id > start, CALLS.c.id <= start + BATCH)
        logger.info("%s: %d of %d calls", revision, min(start + BATCH, last), last)
