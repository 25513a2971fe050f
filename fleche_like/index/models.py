"""The tables of the index, as the newest revision in ``migrations/`` leaves them.

::

    functions   name, module, version, code: one row per function whose calls are stored
    names       the names of arguments and metadata, once each
    calls       key, function, result; size, cost and last use; the record
    arguments   call, name, value
    metadata    call, name
    manifests   which parts went into a code digest
    state       the eviction generation, and up to which call everything is indexed
    budget…     what budgeted caches keep account of; empty elsewhere

The record of a call is the truth that all its rows follow from. It is the last column of its row,
so that a save dirties no other page for it; it is NULL where records are kept in a byte backend.

Digests are 16 bytes, but for the keys of calls, which are text because people look for their
beginnings. Results, arguments and metadata carry a *scalar* in typed columns, so that ranges and
orders run in SQL: see :mod:`fleche_like.index.typed` for what goes into ``kind``, ``num`` and
``text``.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

REVISION: Final = "0005"
"""The revision of ``migrations/versions`` that these tables are."""

VERSION_TABLE: Final = "fleche_like_version"
"""Where Alembic keeps the revision: a name of our own, since a database may be shared."""

NAME_LENGTH: Final = 200
"""Characters of a name; longer ones are spelled by digest. Three of them fit a MariaDB index."""

TEXT_LENGTH: Final = 255
"""Characters of a text, its tag included; what is longer is cut and marked."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = sa.MetaData(naming_convention=NAMING)

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
DIGEST = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")


def text(length: int) -> sa.types.TypeEngine[str]:
    """Return a text type that every database compares by code point, blanks and case included."""
    kind: sa.types.TypeEngine[Any] = sa.String(length)
    return (
        kind.with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation=_NO_PAD), "mariadb")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation=_MYSQL_NO_PAD), "mysql")
    )


_NO_PAD = "utf8mb4_nopad_bin"
_MYSQL_NO_PAD = "utf8mb4_0900_bin"

LONG_TEXT = (
    sa.Text()
    .with_variant(mysql.TEXT(charset="utf8mb4", collation=_NO_PAD), "mariadb")
    .with_variant(mysql.TEXT(charset="utf8mb4", collation=_MYSQL_NO_PAD), "mysql")
)

HEX = (
    sa.String(32)
    .with_variant(postgresql.VARCHAR(32, collation="C"), "postgresql")
    .with_variant(mysql.CHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
)


def _where(condition: str) -> dict[str, Any]:
    """Return the options of a partial index; MariaDB has none and makes a plain one."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


functions = sa.Table(
    "functions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", text(NAME_LENGTH), nullable=False),
    sa.Column("module", text(NAME_LENGTH), nullable=False),
    sa.Column("version", text(NAME_LENGTH), nullable=False),
    sa.Column("code", HEX, nullable=False),
    sa.UniqueConstraint("name", "module", "version", "code"),
)

names = sa.Table(
    "names",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", text(NAME_LENGTH), nullable=False),
    sa.UniqueConstraint("name"),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", BIG, primary_key=True),
    sa.Column("key", HEX, nullable=False),
    sa.Column("function", sa.ForeignKey(functions.c.id), nullable=False),
    sa.Column("result", DIGEST),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("num", sa.Double),
    sa.Column("text", text(TEXT_LENGTH)),
    sa.Column("size", sa.BigInteger),
    sa.Column("cost", sa.Double),
    sa.Column("used", sa.BigInteger),
    sa.Column("record", BLOB),
    sa.UniqueConstraint("key"),
    # A row whose kind is negative is late, and must dirty no page of these.
    sa.Index(None, "function", **_where("kind >= 0")),
    sa.Index(None, "num", **_where("num IS NOT NULL AND kind >= 0")),
    sa.Index(None, "text", **_where("text IS NOT NULL AND kind >= 0")),
    sa.Index(None, "result", **_where("result IS NOT NULL AND kind >= 0")),
    sa.Index("ix_calls_near", "kind", **_where("kind IN (2, 3, 22, 32, 42)")),
    sa.Index(None, "used", **_where("used IS NOT NULL AND kind >= 0")),
    sa.Index(None, "kind", **_where("num IS NULL AND text IS NULL AND kind >= 0")),
)

arguments = sa.Table(
    "arguments",
    metadata,
    sa.Column("call", sa.ForeignKey(calls.c.id), primary_key=True, autoincrement=False),
    sa.Column("name", sa.ForeignKey(names.c.id), primary_key=True, autoincrement=False),
    sa.Column("value", DIGEST, nullable=False),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("num", sa.Double),
    sa.Column("text", text(TEXT_LENGTH)),
    sa.Index(None, "name", "num", "call", **_where("num IS NOT NULL")),
    sa.Index(None, "name", "text", "call", **_where("text IS NOT NULL")),
    # Each row is in one of the two above and this one: what they are, class by class.
    sa.Index(None, "name", "kind", "call", **_where("num IS NULL AND text IS NULL")),
    sa.Index(None, "value", "name", "call", **_where("num IS NULL AND text IS NULL")),
    sa.Index("ix_arguments_near", "name", "kind", **_where("kind IN (2, 3, 22, 32, 42)")),
    sqlite_with_rowid=False,
)

call_metadata = sa.Table(
    "metadata",
    metadata,
    sa.Column("call", sa.ForeignKey(calls.c.id), primary_key=True, autoincrement=False),
    sa.Column("name", sa.ForeignKey(names.c.id), primary_key=True, autoincrement=False),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("num", sa.Double),
    sa.Column("text", text(TEXT_LENGTH)),
    sa.Index(None, "name", "num", "call", **_where("num IS NOT NULL")),
    sa.Index(None, "name", "text", "call", **_where("text IS NOT NULL")),
    sa.Index(None, "name", "kind", "call", **_where("num IS NULL AND text IS NULL")),
    sa.Index("ix_metadata_near", "name", "kind", **_where("kind IN (2, 3, 22, 32, 42)")),
    sqlite_with_rowid=False,
)

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("code", DIGEST, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("part", LONG_TEXT, nullable=False),
    sa.Column("digest", DIGEST, nullable=False),
    sqlite_with_rowid=False,
)

state = sa.Table(
    "state",
    metadata,
    sa.Column("name", text(NAME_LENGTH), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

budget = sa.Table(
    "budget",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("items", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("floor", sa.BigInteger, nullable=False),
    sa.Column("seen", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

budget_calls = sa.Table(
    "budget_calls",
    metadata,
    sa.Column("key", DIGEST, primary_key=True),
    sa.Column("result", DIGEST),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("worth", sa.BigInteger, nullable=False),
    sa.Column("rank", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Index(None, "used"),
    sa.Index("ix_budget_calls_rank", "rank", "used"),
    sqlite_with_rowid=False,
)

budget_values = sa.Table(
    "budget_values",
    metadata,
    sa.Column("digest", DIGEST, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("uses", sa.BigInteger, nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Index(None, "uses", **_where("uses = 0")),
    sqlite_with_rowid=False,
)
