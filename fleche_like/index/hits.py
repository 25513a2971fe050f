"""What a hit reads: a call's result and, where blobs share the database, its bytes as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.backends.database import blobs
from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index.many import KeyLists, condition
from fleche_like.index.models import calls
from fleche_like.support.sentinel import MISSING, Missing

_HEX: Final = {
    "sqlite": lambda column: sa.func.lower(sa.func.hex(column)),
    "postgresql": lambda column: sa.func.encode(column, sa.literal_column("'hex'")),
}
_MATERIALIZED: Final = ("sqlite", "postgresql")


class Hits:
    """Reads results by call key, each with its blob in the same statement.

    Args:
        database: holds calls and blobs.
        container: where values are among the blobs, with its closing slash.
    """

    def __init__(self, database: Database, container: str) -> None:
        self._read_one = database.read_one
        dialect = database.dialect
        digest = _HEX.get(dialect, _HEX["sqlite"])(calls.c.result)
        self._statement = database.prepare(_one(dialect, container, digest), ("key",))
        self._many = KeyLists(database, lambda names: _many(dialect, container, digest, names))

    def find(self, key: Digest) -> tuple[str | None, bytes | None] | Missing:
        """Return digest and bytes of a call's result.

        Returns:
            ``MISSING`` if the call is not stored; no digest if it has no result; no bytes if the
            result is not among the blobs.
        """
        row = self._read_one(self._statement, (key,))
        return MISSING if row is None else (row[0], row[1])

    def find_many(self, keys: Sequence[Digest]) -> Iterator[tuple[Any, ...]]:
        """Yield key, digest and bytes of the calls among ``keys`` that are stored, in any order.

        Digest and bytes as :meth:`find` gives them.
        """
        return self._many.read(keys)


def _one(dialect: str, container: str, digest: Any) -> sa.Select[Any]:
    # The limit keeps SQLite from spelling the digest again for every place that names it.
    wanted = (
        sa.select(digest.label("digest"))
        .where(calls.c.key == sa.bindparam("key"))
        .limit(_number(1))
        .offset(_number(0))
        .subquery("wanted")
    )
    return _with_blobs(dialect, container, wanted, wanted.c.digest)


def _many(dialect: str, container: str, digest: Any, names: Sequence[str]) -> sa.Select[Any]:
    wanted = (
        sa.select(calls.c.key.label("key"), digest.label("digest"))
        .where(condition(calls.c.key, dialect, names))
        .order_by(calls.c.result)  # so that blobs are searched in their order: a quarter less
        .cte("wanted")
    )
    if dialect in _MATERIALIZED:
        # Otherwise SQLite spells each digest again for every place where the path has it: this
        # takes two thirds of the time.
        wanted = wanted.prefix_with("MATERIALIZED")
    return _with_blobs(dialect, container, wanted, wanted.c.key, wanted.c.digest)


def _with_blobs(
    dialect: str, container: str, wanted: sa.FromClause, *columns: Any
) -> sa.Select[Any]:
    path = _path(dialect, container, wanted.c.digest)
    return sa.select(*columns, blobs.c.data).select_from(
        wanted.outerjoin(blobs, blobs.c.key == path)
    )


def _path(dialect: str, container: str, digest: Any) -> Any:
    if dialect == "sqlite" and "%" not in container:  # in one step, a third faster
        shape = _text(f"{container}%.2s/%s/%s")
        return sa.func.printf(shape, digest, sa.func.substr(digest, _number(3), _number(2)), digest)
    path: Any = _text(container)
    for place in (1, 3):
        path += sa.func.substr(digest, _number(place), _number(2)) + _text("/")
    return path + digest


def _text(value: str) -> sa.ColumnElement[str]:
    """Return a constant as text: one parameter less to hand over on every hit."""
    return sa.literal_column(f"'{value}'", sa.String())


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value), sa.Integer())
