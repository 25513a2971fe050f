"""What a hit reads: a call's result and, where blobs share the database, its bytes as well."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from fleche_like.backends.database import blobs
from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index.models import calls
from fleche_like.support.sentinel import MISSING, Missing

_HEX: Final = {
    "sqlite": lambda column: sa.func.lower(sa.func.hex(column)),
    "postgresql": lambda column: sa.func.encode(column, sa.literal_column("'hex'")),
}


class Hits:
    """Reads results by call key, each with its blob in the same statement.

    Args:
        database: holds calls and blobs.
        container: where values are among the blobs, with its closing slash.
    """

    def __init__(self, database: Database, container: str) -> None:
        self._read_one = database.read_one
        digest = _HEX.get(database.dialect, _HEX["sqlite"])(calls.c.result)
        path: Any = _text(container)
        for place in (1, 3):
            path += sa.func.substr(digest, _number(place), _number(2)) + _text("/")
        path += digest
        found = calls.outerjoin(blobs, blobs.c.key == path)
        self._statement = database.prepare(
            sa.select(digest, blobs.c.data)
            .select_from(found)
            .where(calls.c.key == sa.bindparam("key")),
            ("key",),
        )

    def find(self, key: Digest) -> tuple[str | None, bytes | None] | Missing:
        """Return digest and bytes of a call's result.

        Returns:
            ``MISSING`` if the call is not stored; no digest if it has no result; no bytes if the
            result is not among the blobs.
        """
        row = self._read_one(self._statement, (key,))
        return MISSING if row is None else (row[0], row[1])


def _text(value: str) -> sa.ColumnElement[str]:
    """Return a constant as text: one parameter less to hand over on every hit."""
    return sa.literal_column(f"'{value}'", sa.String())


def _number(value: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(value), sa.Integer())
