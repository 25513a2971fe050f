"""Deriving the rows of calls again from their records, some at a time."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from fleche_like.backends import ByteBackend
from fleche_like.backends.database import DatabaseBackend
from fleche_like.calls import DigestedCall
from fleche_like.database import Row
from fleche_like.errors import DamagedEnvelope
from fleche_like.hashing import Digest
from fleche_like.index.calls import SqlCallStorage
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import calls, state
from fleche_like.index.rows import result_row
from fleche_like.index.upserts import insert_or_ignore
from fleche_like.index.usage import usage
from fleche_like.index.writing import Children
from fleche_like.storage.layout import CALLS, digests_under, path
from fleche_like.storage.records import open_record
from fleche_like.support.sentinel import MISSING

logger = logging.getLogger(__name__)

BATCH: Final = 500
"""Calls in one transaction: what other writers wait for, some 50 ms."""

POSITION: Final = "reindex"
"""The row of ``state`` that says up to which id everything was derived again."""

_COLUMNS: Final = ("function", "result", "kind", "num", "text", "cost")


class Step(NamedTuple):
    """What one transaction did.

    Attributes:
        seen: calls that were looked at.
        derived: those whose rows were derived from their records.
        lost: keys whose record is gone or damaged; nothing finds them any more.
    """

    seen: int
    derived: int
    lost: Sequence[Digest]


class Rebuilder:
    """Rebuilds the index of a storage while others read and write.

    Each transaction moves a position along, which is stored: whoever comes after an interruption
    goes on there, and two who rebuild at the same time share the work. Readers see the rows of a
    call as they were or as they are now, never half of them.

    Args:
        storage: whose index; not read-only.
        records: where its records are kept, if that is not in its rows.
    """

    def __init__(self, storage: SqlCallStorage, records: ByteBackend | None = None) -> None:
        self._storage = storage
        self._database = storage.database
        self._records = records
        self._ids = Identifiers(self._database)
        self._children = Children(self._database, self._ids)
        database, named = self._database, state.c.name == POSITION
        self._begin = insert_or_ignore(database, state, ("name", "value"), ("name",))
        self._hold = database.prepare(sa.update(state).where(named).values(value=state.c.value))
        self._position = database.prepare(sa.select(state.c.value).where(named))
        self._move = database.prepare(
            sa.update(state).where(named).values(value=sa.bindparam("last")), ("last",)
        )
        self._end = database.prepare(sa.delete(state).where(named))
        self._count = database.prepare(
            sa.select(sa.func.count()).where(calls.c.id > sa.bindparam("after")), ("after",)
        )
        self._page = database.prepare(_page(database.dialect), ("after",))
        number: Any = sa.bindparam("number")
        self._update = database.prepare(
            sa.update(calls)
            .where(calls.c.id == number)
            .values({column: sa.bindparam(f"new_{column}") for column in _COLUMNS}),
            (*(f"new_{column}" for column in _COLUMNS), "number"),
        )

    def begin(self) -> int:
        """Begin, or go on where somebody was interrupted; return how many calls are left."""
        self._database.write(self._begin, (POSITION, 0))
        position = self._database.read_one(self._position)
        found = self._database.read_one(self._count, position or (0,))
        return 0 if found is None else int(found[0])

    def steps(self) -> Iterator[Step]:
        """Derive the rows of every call, one transaction for each step."""
        while True:
            step = self._database.retrying(self._step)
            for key in step.lost:
                self._put_aside(key)
            if not step.seen:
                return
            yield step

    def derive(self, number: int) -> None:
        """Derive the rows of one call from its record; nothing, if its record is not sound."""
        self._storage.index_late()
        self._database.retrying(lambda: self._derive_one(number))

    def remove_orphans(self, number: int) -> None:
        """Remove the rows that refer to a call which is not there."""
        self._database.retrying(lambda: self._children.remove(number))

    def _derive_one(self, number: int) -> None:
        self._database.write(self._hold)
        rows = self._database.read(self._page, (number - 1,))
        self._derive([row for row in rows if row[0] == number])

    def adopt(self) -> Iterator[int]:
        """Give rows to records that have none; yield how many were adopted, batch by batch."""
        backend = DatabaseBackend(self._database) if self._records is None else self._records
        keys = digests_under(backend, CALLS)
        while batch := list(itertools.islice(keys, BATCH)):
            missing = [key for key in batch if not self._storage.contains(key)]
            found = list(_opened(backend, missing))
            self._storage.save_many(found)
            if self._records is None:  # they are in their rows now
                for key in batch:
                    if self._storage.contains(key):
                        backend.delete(path(CALLS, key))
            if found:
                yield len(found)

    def _step(self) -> Step:
        # This write comes first, so that what is read from here on cannot change meanwhile.
        self._database.write(self._hold)
        position = self._database.read_one(self._position)
        if position is None:  # somebody else has finished
            return Step(0, 0, ())
        rows = self._database.read(self._page, position)
        if not rows:
            self._database.write(self._end)
            return Step(0, 0, ())
        lost = self._derive(rows)
        self._database.write(self._move, (rows[-1][0],))
        return Step(len(rows), len(rows) - len(lost), lost)

    def _derive(self, rows: Sequence[Row]) -> list[Digest]:
        records = self._records_of(rows)
        lost: list[Digest] = []
        derived: list[tuple[DigestedCall, int]] = []
        for number, key, kind, _ in rows:
            call = _sound(records.get(key), Digest(key))
            if call is None:
                lost.append(Digest(key))
            elif kind >= 0:  # else it is late, and derived soon in any case
                derived.append((call, number))
        for call, number in derived:
            cost = usage(call, None)[1]
            row = (self._ids.function(call), *result_row(call), cost, number)
            self._database.write(self._update, row)
            self._children.remove(number)
        self._children.insert_many(derived)
        return lost

    def _records_of(self, rows: Sequence[Row]) -> dict[str, bytes]:
        if self._records is None:
            return {key: data for _, key, _, data in rows if data is not None}
        found: dict[str, bytes] = {}
        for _, key, _, _ in rows:
            try:
                found[key] = self._records.get_bytes(path(CALLS, key))
            except KeyError:
                continue
        return found

    def _put_aside(self, key: Digest) -> None:
        logger.warning("call %s has no sound record and was removed from the index", key)
        # Looking puts a damaged record into quarantine; somebody may have stored it anew.
        if self._storage.lookup(key) is MISSING:
            self._storage.evict(key)


def _page(dialect: str) -> Any:
    page = sa.select(calls.c.id, calls.c.key, calls.c.kind, calls.c.record)
    page = page.where(calls.c.id > sa.bindparam("after")).order_by(calls.c.id)
    page = page.limit(sa.literal_column(str(BATCH))).offset(sa.literal_column("0"))
    return page if dialect == "sqlite" else page.with_for_update()


def _opened(backend: ByteBackend, keys: Iterable[Digest]) -> Iterator[DigestedCall]:
    for key in keys:
        try:
            call = _sound(backend.get_bytes(path(CALLS, key)), key)
        except KeyError:
            continue  # evicted since
        if call is None:
            logger.warning("the record %s is damaged and stays without rows", key)
        else:
            yield call


def _sound(data: bytes | None, key: Digest) -> DigestedCall | None:
    if data is None:
        return None
    try:
        return open_record(data, key)
    except DamagedEnvelope:
        return None
