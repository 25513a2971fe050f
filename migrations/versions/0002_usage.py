"""What budgets go by: size, cost and last use of each call.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-21

``size`` is how many bytes the result takes as stored, ``cost`` how many seconds it took, ``used``
when it was last used in seconds since 1970. Each is NULL where it is not known.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

USED = "used IS NOT NULL AND kind >= 0"


def upgrade() -> None:
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("size", sa.BigInteger(), nullable=True))
        calls.add_column(sa.Column("cost", sa.Double(), nullable=True))
        calls.add_column(sa.Column("used", sa.BigInteger(), nullable=True))
    where = sa.text(USED)
    op.create_index(
        "ix_calls_used", "calls", ["used"], sqlite_where=where, postgresql_where=where
    )


def downgrade() -> None:
    op.drop_index("ix_calls_used", "calls")
    with op.batch_alter_table("calls") as calls:
        for name in ("used", "cost", "size"):
            calls.drop_column(name)
