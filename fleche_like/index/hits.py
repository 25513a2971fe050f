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
        digest = _HEX.get(database.dialect, _HEX["sqlite"])(calls.c.result)
        found = calls.outerjoin(blobs, blobs.c.key == _path(container, digest))
        self._statement = database.prepare(
            sa.select(digest, blobs.c.data)
            .select_from(found)
            .where(calls.c.key == sa.bindparam("key")),
            ("key",),
        )
        self._many = KeyLists(
            database, lambda names: _many(database.dialect, container, digest, names)
        )

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
    path = _path(container, wanted.c.digest)
    return sa.select(wanted.c.key, wanted.c.digest, blobs.c.data).select_from(
        wanted.outerjoin(blobs, blobs.c.key == path)
    )


def _path(container: str, digest: Any) -> Any:
    path: Any = _text(container)
    for place in (1, 3):
        path += sa.func.substr(digest, _number(place), _number(2)) + _text("/")
    return path + digest


def _text(value: str) -> sa.ColumnElement[str]:
    """Return a constant as text: one parameter less to hand over on every hit."""
    return sa.literal_column(f"'{value}'", sa.String())


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value), sa.Integer())
