"""The index: functions, calls, arguments, metadata, manifests, and blobs.

Revision ID: 0001
Revises:
Create Date: 2026-11-21

Imports nothing of the package and freezes its types: it must mean the same in every release.

MariaDB commits after each statement that defines something, so that a revision that was killed is
run again over what it left: there every step passes over what is done.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UNTYPED = "num IS NULL AND text IS NULL"
NEAR = "kind IN (2, 3, 22, 32, 42)"


def text(length: int) -> Any:
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation=MARIADB), "mariadb")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation=MYSQL), "mysql")
    )


MARIADB = "utf8mb4_nopad_bin"
MYSQL = "utf8mb4_0900_bin"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DIGEST = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
HEX = (
    sa.String(32)
    .with_variant(postgresql.VARCHAR(32, collation="C"), "postgresql")
    .with_variant(mysql.CHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
)


def once() -> dict[str, Any]:
    return {"if_not_exists": True} if op.get_context().dialect.name == "mariadb" else {}


def upgrade() -> None:
    op.create_table(
        "functions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", text(200), nullable=False),
        sa.Column("module", text(200), nullable=False),
        sa.Column("version", text(200), nullable=False),
        sa.Column("code", HEX, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_functions"),
        sa.UniqueConstraint(
            "name", "module", "version", "code", name="uq_functions_name_module_version_code"
        ),
        **once(),
    )
    op.create_table(
        "names",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", text(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_names"),
        sa.UniqueConstraint("name", name="uq_names_name"),
        **once(),
    )
    calls()
    arguments()
    call_metadata()
    op.create_table(
        "manifests",
        sa.Column("code", DIGEST, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("code", "position", name="pk_manifests"),
        sqlite_with_rowid=False,
        **once(),
    )
    state()
    blobs()


def calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", BIG, nullable=False),
        sa.Column("key", HEX, nullable=False),
        sa.Column("function", sa.Integer(), nullable=False),
        sa.Column("result", DIGEST, nullable=True),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("num", sa.Double(), nullable=True),
        sa.Column("text", text(255), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        sa.UniqueConstraint("key", name="uq_calls_key"),
        sa.ForeignKeyConstraint(["function"], ["functions.id"], name="fk_calls_function_functions"),
        **once(),
    )
    index("ix_calls_function", "calls", ["function"], "kind >= 0")
    index("ix_calls_num", "calls", ["num"], "num IS NOT NULL AND kind >= 0")
    index("ix_calls_text", "calls", ["text"], "text IS NOT NULL AND kind >= 0")
    index("ix_calls_result", "calls", ["result"], "result IS NOT NULL AND kind >= 0")
    index("ix_calls_near", "calls", ["kind"], NEAR)


def arguments() -> None:
    op.create_table(
        "arguments",
        sa.Column("call", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", DIGEST, nullable=False),
        *scalar(),
        sa.PrimaryKeyConstraint("call", "name", name="pk_arguments"),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_arguments_call_calls"),
        sa.ForeignKeyConstraint(["name"], ["names.id"], name="fk_arguments_name_names"),
        sqlite_with_rowid=False,
        **once(),
    )
    scalar_indexes("arguments")
    index("ix_arguments_value_name_call", "arguments", ["value", "name", "call"], UNTYPED)


def call_metadata() -> None:
    op.create_table(
        "metadata",
        sa.Column("call", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Integer(), autoincrement=False, nullable=False),
        *scalar(),
        sa.PrimaryKeyConstraint("call", "name", name="pk_metadata"),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_metadata_call_calls"),
        sa.ForeignKeyConstraint(["name"], ["names.id"], name="fk_metadata_name_names"),
        sqlite_with_rowid=False,
        **once(),
    )
    scalar_indexes("metadata")


def state() -> None:
    op.create_table(
        "state",
        sa.Column("name", text(200), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_state"),
        sqlite_with_rowid=False,
        **once(),
    )
    table = sa.table("state", sa.column("name", sa.String), sa.column("value"))
    op.execute(sa.delete(table))
    for name in ("generation", "indexed"):
        op.execute(sa.insert(table).values(name=name, value=sa.literal_column("0")))


def blobs() -> None:
    # A backend may have made it before there was an index.
    op.create_table(
        "blobs",
        sa.Column("key", text(768), nullable=False),
        sa.Column(
            "data",
            sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb"),
            nullable=False,
        ),
        sa.Column("mtime", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_blobs"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )


def scalar() -> list[sa.Column[Any]]:
    return [
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("num", sa.Double(), nullable=True),
        sa.Column("text", text(255), nullable=True),
    ]


def scalar_indexes(table: str) -> None:
    index(f"ix_{table}_name_num_call", table, ["name", "num", "call"], "num IS NOT NULL")
    index(f"ix_{table}_name_text_call", table, ["name", "text", "call"], "text IS NOT NULL")
    index(f"ix_{table}_near", table, ["name", "kind"], NEAR)


def index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    partial: dict[str, Any] = {} if where is None else {"sqlite_where": sa.text(where)}
    if where is not None:
        partial["postgresql_where"] = sa.text(where)
    op.create_index(name, table, columns, **partial, **once())


def again() -> dict[str, Any]:
    return {"if_exists": True} if op.get_context().dialect.name == "mariadb" else {}


def downgrade() -> None:
    # Blobs stay: the records in them are what an index is rebuilt from.
    for table in ("state", "manifests", "metadata", "arguments", "calls", "names", "functions"):
        op.drop_table(table, **again())
