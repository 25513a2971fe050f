"""What the stored calls of one function amount to."""

from __future__ import annotations

import sqlalchemy as sa

from fleche_like.database import Database
from fleche_like.index.models import calls, functions
from fleche_like.index.spelling import spell, spell_optional


class Figures:
    """Counts the calls of a function, in one statement.

    Args:
        database: holds the calls.
    """

    def __init__(self, database: Database) -> None:
        self._read_one = database.read_one
        self._statement = database.prepare(
            sa.select(sa.func.count(), sa.func.sum(calls.c.size), sa.func.avg(calls.c.cost))
            .select_from(calls.join(functions))
            .where(
                functions.c.name == sa.bindparam("name"),
                functions.c.module == sa.bindparam("module"),
            ),
            ("name", "module"),
        )

    def of(self, name: str, module: str | None) -> tuple[int, int | None, float | None]:
        """Return what the calls of a function of any version amount to.

        Returns:
            How many; the bytes of their results; the mean of the seconds that they took. ``None``
            where no call says.
        """
        row = self._read_one(self._statement, (spell(name), spell_optional(module)))
        if row is None:
            return 0, None, None
        count, size, cost = row
        return count, None if size is None else int(size), cost
