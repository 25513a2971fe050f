"""What budgets go by: size, cost and last use of each call.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-21

``size`` is how many bytes the result takes as stored, ``cost`` how many seconds it took, ``used``
when it was last used in seconds since 1970. Each is NULL where it is not known. Derived from what
is stored: the blob of the result, the metadata ``runtime.walltime``, and the age of the record.

On MariaDB the parts of manifests had the character set of whoever made the database; now it is
one that can hold them.

Imports nothing of the package and freezes its types. On MariaDB every step can be done again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

USED = "used IS NOT NULL AND kind >= 0"
FLOAT = 1
BATCH = 20_000

LONG_TEXT = {
    "mariadb": mysql.TEXT(charset="utf8mb4", collation="utf8mb4_nopad_bin"),
    "mysql": mysql.TEXT(charset="utf8mb4", collation="utf8mb4_0900_bin"),
}

logger = logging.getLogger("alembic.runtime.migration")

BLOBS = sa.table("blobs", sa.column("key", sa.String), sa.column("data"), sa.column("mtime"))
NAMES = sa.table("names", sa.column("id"), sa.column("name", sa.String))
METADATA = sa.table(
    "metadata",
    *map(sa.column, ("call", "name", "num")),
    sa.column("kind", sa.SmallInteger),
)
CALLS = sa.table(
    "calls",
    sa.column("id"),
    sa.column("key", sa.String),
    sa.column("result"),
    *map(sa.column, ("size", "cost", "used")),
)


def upgrade() -> None:
    for name, kind in (("size", sa.BigInteger()), ("cost", sa.Double()), ("used", sa.BigInteger())):
        op.add_column("calls", sa.Column(name, kind, nullable=True), **unless("if_not_exists"))
    for part in batches():
        op.execute(sa.update(CALLS).where(part).values(size=size(), cost=cost(), used=used()))
    if dialect() in LONG_TEXT:
        op.alter_column("manifests", "part", type_=LONG_TEXT[dialect()], nullable=False)
    where = sa.text(USED)
    partial: dict[str, Any] = {"sqlite_where": where, "postgresql_where": where}
    op.create_index("ix_calls_used", "calls", ["used"], **partial, **unless("if_not_exists"))


def downgrade() -> None:
    op.drop_index("ix_calls_used", "calls", **unless("if_exists"))
    for name in ("used", "cost", "size"):
        op.drop_column("calls", name, **unless("if_exists"))


def unless(condition: str) -> dict[str, Any]:
    return {condition: True} if dialect() == "mariadb" else {}


def dialect() -> str:
    return op.get_context().dialect.name


def batches() -> Iterator[Any]:
    """Yield conditions that take all calls together, some at a time, and tell how far we are."""
    if context.is_offline_mode():
        yield sa.true()
        return
    last = op.get_bind().execute(sa.select(sa.func.max(CALLS.c.id))).scalar() or 0
    for start in range(0, last, BATCH):
        yield sa.and_(CALLS.c.id > start, CALLS.c.id <= start + BATCH)
        logger.info("%s: %d of %d calls", revision, min(start + BATCH, last), last)


def size() -> Any:
    stored = sa.select(sa.func.length(BLOBS.c.data))
    return stored.where(BLOBS.c.key == path("values/", digest(CALLS.c.result))).scalar_subquery()


def cost() -> Any:
    walltime = sa.select(NAMES.c.id).where(NAMES.c.name == "runtime.walltime").scalar_subquery()
    return (
        sa.select(METADATA.c.num)
        .where(METADATA.c.call == CALLS.c.id, METADATA.c.name == walltime, METADATA.c.kind == FLOAT)
        .scalar_subquery()
    )


def used() -> Any:
    stored = sa.select(sa.cast(sa.func.floor(BLOBS.c.mtime), sa.BigInteger))
    if dialect() == "sqlite":  # which has floor() only where it was compiled in
        stored = sa.select(sa.cast(BLOBS.c.mtime, sa.BigInteger))
    elif dialect() != "postgresql":
        stored = sa.select(sa.func.floor(BLOBS.c.mtime))
    return stored.where(BLOBS.c.key == path("calls/", CALLS.c.key)).scalar_subquery()


def digest(column: Any) -> Any:
    if dialect() == "postgresql":
        return sa.func.encode(column, sa.literal_column("'hex'"), type_=sa.String)
    return sa.func.lower(sa.func.hex(column), type_=sa.String)


def path(container: str, key: Any) -> Any:
    first, second = (sa.func.substr(key, place, 2, type_=sa.String) for place in (1, 3))
    return sa.literal(container) + first + "/" + second + "/" + key
