"""Indexes for what is inside containers, and for orders class by class.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-21

Each row that carries a value is now in exactly one of three indexes: by number, by text, or by
kind.

Imports nothing of the package and freezes its types. On MariaDB every step can be done again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UNTYPED = "num IS NULL AND text IS NULL"


def upgrade() -> None:
    index("ix_calls_kind", "calls", ["kind"], f"{UNTYPED} AND kind >= 0")
    for table in ("arguments", "metadata"):
        index(f"ix_{table}_name_kind_call", table, ["name", "kind", "call"], UNTYPED)


def downgrade() -> None:
    for table in ("metadata", "arguments"):
        op.drop_index(f"ix_{table}_name_kind_call", table_name=table, **unless("if_exists"))
    op.drop_index("ix_calls_kind", table_name="calls", **unless("if_exists"))


def unless(condition: str) -> dict[str, Any]:
    return {condition: True} if op.get_context().dialect.name == "mariadb" else {}


def index(name: str, table: str, columns: list[str], where: str) -> None:
    partial: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, columns, **partial, **unless("if_not_exists"))
