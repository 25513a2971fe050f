"""What budgeted caches keep account of: calls by last use and worth, values by who uses them.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-21

The tables are empty until a cache is opened with a budget.

Imports nothing of the package and freezes its types. On MariaDB every step can be done again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DIGEST = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
UNUSED = "uses = 0"


def upgrade() -> None:
    table(
        "budget",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in TOTALS),
        sa.PrimaryKeyConstraint("id", name="pk_budget"),
    )
    table(
        "budget_calls",
        sa.Column("key", DIGEST, nullable=False),
        sa.Column("result", DIGEST, nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in OF_CALLS),
        sa.PrimaryKeyConstraint("key", name="pk_budget_calls"),
    )
    table(
        "budget_values",
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_budget_values"),
    )
    index("ix_budget_calls_used", "budget_calls", ["used"])
    index("ix_budget_calls_rank", "budget_calls", ["rank", "used"])
    where = sa.text(UNUSED)
    index(
        "ix_budget_values_uses",
        "budget_values",
        ["uses"],
        sqlite_where=where,
        postgresql_where=where,
    )


TOTALS = ("items", "bytes", "floor", "seen")
OF_CALLS = ("size", "worth", "rank", "used")


def downgrade() -> None:
    for name in ("budget_values", "budget_calls", "budget"):
        op.drop_table(name, **unless("if_exists"))


def unless(condition: str) -> dict[str, Any]:
    return {condition: True} if op.get_context().dialect.name == "mariadb" else {}


def table(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, sqlite_with_rowid=False, **unless("if_not_exists"))


def index(name: str, of: str, columns: list[str], **where: Any) -> None:
    op.create_index(name, of, columns, **where, **unless("if_not_exists"))
