"""Calls whose arguments and metadata are not in their tables yet.

On SQLite a save dirties as few pages as it can: it writes the record and one row of ``calls``,
whose ``kind`` is negative (``-1 - kind``). No secondary index holds such a row. Everything else
follows from the records: it is derived for many calls in one transaction, which turns the kinds
round and moves the *watermark*, ``indexed`` in ``state``: no call up to that id is late. So late
calls are few, whoever left them behind: at most :data:`MOST_LATE` and what is being written.

A query never writes. It reads the late calls first and then, by SQL, what was indexed already
when it did so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from fleche_like.calls import DigestedCall
from fleche_like.codecs import Signer
from fleche_like.database import Database, Row
from fleche_like.errors import DatabaseError
from fleche_like.hashing import Digest
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import calls, state
from fleche_like.index.records import Records, opened
from fleche_like.index.writing import Children

logger = logging.getLogger(__name__)

MOST_LATE: Final = 1024
"""So many calls are derived at once: a query that finds them late reads their records, in 15 ms."""

PAUSE_S: Final = 5.0
"""After a derivation that failed, say for a full disk, saves do not try again for so long."""


_NOT_KEPT: Final = (b"", None)


class Pending(NamedTuple):
    """What a query has to look at beside the index.

    Attributes:
        calls: the late ones.
        indexed: the watermark at the same moment.
    """

    calls: Sequence[DigestedCall]
    indexed: int


class Late:
    """Late calls of one database. Thread-safe and process-safe.

    Args:
        database: holds the tables; SQLite.
        ids: of names.
        records: gives the records of keys; ``None`` if they are in the rows of the calls.
        signer: tells which records queries may believe. Rows are derived of all of them: somebody
            else may have other keys.
    """

    def __init__(
        self,
        database: Database,
        ids: Identifiers,
        records: Records | None,
        signer: Signer | None = None,
    ) -> None:
        self._database = database
        self._signer = signer
        self._records = records
        self._children = Children(database, ids)
        self._indexed = 0  # the watermark or less
        self._mine = False
        self._not_before = 0.0
        # Decoding a record again costs a third of deriving its rows.
        self._kept: dict[Digest, tuple[bytes, DigestedCall]] = {}
        columns = (calls.c.key,) if records is not None else (calls.c.key, calls.c.record)
        mark = state.c.name == "indexed"
        is_late = calls.c.kind < 0
        watermark = sa.select(state.c.value).where(mark)
        newest = sa.select(sa.func.coalesce(sa.func.max(calls.c.id), 0)).scalar_subquery()
        self._watermark = database.prepare(watermark)
        self._find = database.prepare(_reading(is_late, mark, columns))
        self._turn = database.prepare(
            sa.update(calls)
            .where(calls.c.id > watermark.scalar_subquery(), is_late)
            .values(kind=sa.literal_column("-1") - calls.c.kind)
            .returning(calls.c.id, *columns)
        )
        self._raise = database.prepare(sa.update(state).where(mark).values(value=newest))
        self._lower = database.prepare(
            sa.update(state).where(mark, state.c.value > newest).values(value=newest)
        )

    def pending(self) -> Pending:
        """Return the late calls, as of one moment: one statement if records are in the rows."""
        rows = self._database.read(self._find)
        watermark = rows[0][0] if rows else 0
        found = [row[1:] for row in rows if row[1] is not None]
        return Pending(list(opened(self._with_records(found), self._signer)), watermark)

    def _with_records(self, found: Sequence[Row]) -> Iterable[Any]:
        """Return keys and records of rows that begin with a key."""
        if self._records is None:
            return found
        return self._records([Digest(key) for (key,) in found])

    def added(self, number: int, call: DigestedCall, data: bytes) -> None:
        """Take note of a late call inside its transaction; after that, derive if it is time.

        Args:
            number: the id of its row.
            call: the call, which nobody changes from here on.
            data: its record.
        """
        self._mine = True
        if len(self._kept) >= 2 * MOST_LATE:  # others derived ours
            self._kept.clear()
        self._kept[call.key] = data, call
        if number - self._indexed >= MOST_LATE and monotonic() >= self._not_before:
            self._database.after_commit(lambda: self._derive_if_many(number))

    def removed(self) -> None:
        """Inside the transaction that removed a call: its id, if the newest, is given again."""
        self._database.write(self._lower)
        self._indexed = 0

    def derive(self) -> None:
        """Write what is late into the index, in one transaction."""
        with self._database.transaction():
            turned = self._database.write(self._turn)
            if turned:
                self._insert_children(turned)
            self.raise_watermark()
            self._database.after_commit(self._done)

    def raise_watermark(self) -> None:
        """Inside a transaction at whose end nothing is late: remember that."""
        self._database.write(self._raise)

    def derive_mine(self) -> None:
        """Derive if this process left anything late; never raises for the database's sake."""
        path = self._database.path
        # A connection would make the file again that somebody removed.
        if self._mine and not self._database.read_only and (path is None or path.exists()):
            self._try_to_derive()

    def _done(self) -> None:
        self._mine = False

    def _derive_if_many(self, number: int) -> None:
        try:
            row = self._database.read_one(self._watermark)
        except (DatabaseError, OSError):
            return
        self._indexed = 0 if row is None else row[0]
        if number - self._indexed >= MOST_LATE:
            self._try_to_derive()

    def _try_to_derive(self) -> None:
        # The calls are stored, whatever becomes of this; somebody will derive them.
        try:
            self.derive()
        except (DatabaseError, OSError) as error:
            self._not_before = monotonic() + PAUSE_S
            logger.warning("calls of %s were not indexed yet: %s", self._database.url, error)

    def _insert_children(self, turned: Sequence[Row]) -> None:
        numbers = {row[1]: row[0] for row in turned}
        kept, self._kept = self._kept, {}
        found: list[DigestedCall] = []
        others: list[tuple[Digest, bytes | None]] = []
        for key, data in self._with_records([row[1:] for row in turned]):
            stored, call = kept.get(key, _NOT_KEPT)
            if call is not None and stored == data:
                found.append(call)
            else:
                others.append((key, data))
        found += opened(others)
        self._children.insert_many((call, numbers[call.key]) for call in found)


def _reading(is_late: Any, mark: Any, columns: Sequence[Any]) -> Any:
    """Return the statement that reads watermark and late calls; one row if there are none."""
    source = sa.outerjoin(state, calls, sa.and_(calls.c.id > state.c.value, is_late))
    return sa.select(state.c.value, *columns).select_from(source).where(mark)
