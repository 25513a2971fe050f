"""Comparing the rows of calls with what follows from their records."""

from __future__ import annotations

import functools
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from fleche_like.backends import ByteBackend
from fleche_like.backends.abilities import get_many
from fleche_like.calls import DigestedCall, Version
from fleche_like.database import Database, Row
from fleche_like.errors import CodecError, DamagedEnvelope, DatabaseError
from fleche_like.hashing import Digest
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import arguments, call_metadata, calls, functions
from fleche_like.index.rows import (
    ARGUMENT_COLUMNS,
    METADATA_COLUMNS,
    argument_rows,
    late,
    metadata_rows,
    result_row,
)
from fleche_like.index.spelling import Name, spell, spell_optional, spell_version
from fleche_like.storage.layout import CALLS, path
from fleche_like.storage.records import open_record

PAGE: Final = 100
TRIES: Final = 100
"""Somebody may write between two statements: what differs is wrong if it is the same when it is
read again, or differs as often as this."""


_MOST_NAMES: Final = 10_000
_ZEROS: Final = bytes(16)
_by_name: Final = operator.itemgetter(1)


class Checked(NamedTuple):
    """A call, and whether its rows are right.

    Attributes:
        number: the id of its row.
        key: what it is stored under.
        call: ``None`` if it has no sound record.
        reason: why not.
        is_indexed: whether its rows are those that follow from its record.
    """

    number: int
    key: Digest
    call: DigestedCall | None
    reason: str = ""
    is_indexed: bool = True


class Page(NamedTuple):
    """Some calls, and ids that rows refer to without there being such a call."""

    calls: Sequence[Checked]
    orphans: Sequence[int]


class _Found(NamedTuple):
    calls: Sequence[Row]
    children: dict[int, list[Row]]


class Checker:
    """Reads the calls of one database with all their rows, page by page; writes nothing.

    Args:
        database: holds the calls.
        records: where their records are kept, if that is not in their rows.
        open_: opens a record.
    """

    def __init__(
        self,
        database: Database,
        records: ByteBackend | None,
        open_: Callable[[bytes, Digest], DigestedCall] = open_record,
    ) -> None:
        self._database = database
        self._open = open_
        self._records = records
        self._ids = _KnownNames(Identifiers(database))
        self._functions: dict[int, Row] = {}
        prepare = database.prepare
        self._page = prepare(_page(), ("after",))
        columns = (functions.c.name, functions.c.module, functions.c.version, functions.c.code)
        self._function = prepare(
            sa.select(*columns).where(functions.c.id == sa.bindparam("id")), ("id",)
        )
        self._children = [
            prepare(_children(table, columns), ("after", "last"))
            for table, columns in ((arguments, ARGUMENT_COLUMNS), (call_metadata, METADATA_COLUMNS))
        ]
        self._exists = prepare(
            sa.select(calls.c.id).where(calls.c.id == sa.bindparam("id")), ("id",)
        )

    def pages(self) -> Iterator[Page]:
        """Yield all calls, in the order of their ids."""
        after = 0
        while True:
            found = self._read(after)
            last = found.calls[-1][0] if found.calls else after
            yield Page(self._checked(after, found), self._orphans(found))
            if not found.calls:
                return
            after = last

    def _read(self, after: int) -> _Found:
        rows = self._database.read(self._page, (after,))
        # Behind the last call there should be nothing.
        last = rows[-1][0] if rows else 2**62
        children: dict[int, list[Row]] = defaultdict(list)
        for statement in self._children:
            for row in self._database.read(statement, (after, last)):
                children[row[0]].append(row)
        return _Found(rows, children)

    def _checked(self, after: int, found: _Found) -> list[Checked]:
        opened = self._opened(found)
        doubtful = {each.number for each in opened if not each.is_indexed}
        if not doubtful:
            return opened
        wrong, tries = set(), 1
        while doubtful and tries < TRIES:
            before, found = found, self._read(after)
            doubtful &= {each.number for each in self._opened(found) if not each.is_indexed}
            settled = {n for n in doubtful if _state(before, n) == _state(found, n)}
            wrong |= settled
            doubtful -= settled
            tries += 1
        wrong |= doubtful
        return [each._replace(is_indexed=each.number not in wrong) for each in opened]

    def _opened(self, found: _Found) -> list[Checked]:
        records = self._records_of(found.calls)
        return [self._compared(row, records.get(row[1]), found.children) for row in found.calls]

    def _compared(self, row: Row, record: bytes | None, children: dict[int, list[Row]]) -> Checked:
        number, key = row[0], Digest(row[1])
        if record is None:
            return Checked(number, key, None, "its record is gone")
        try:
            call = self._open(record, key)
        except DamagedEnvelope as damage:
            return Checked(number, key, None, damage.reason)
        except CodecError as error:
            return Checked(number, key, None, str(error))
        derived = () if row[4] < 0 else self._derived(call, number)
        is_right = self._is_right(row, call) and _are_same(children.get(number, ()), derived)
        return Checked(number, key, call, "", is_right)

    def _is_right(self, row: Row, call: DigestedCall) -> bool:
        expected = result_row(call)
        result = None if row[3] is None else bytes(row[3])
        found = (result, row[4], row[5], row[6])
        if found != (late(expected) if row[4] < 0 else expected):
            return False
        return self._named(row[2]) == _function_row(call.name, call.module, call.version, call.code)

    def _derived(self, call: DigestedCall, number: int) -> Sequence[Row]:
        """Return the rows of arguments and metadata, each in the order of their names' ids."""
        name_id = self._ids.name
        rows = sorted(argument_rows(call, number, name_id), key=_by_name)
        rows += sorted(metadata_rows(call, number, name_id), key=_by_name)
        return rows

    def _named(self, number: int) -> Row:
        found = self._functions.get(number)
        if found is None:
            row = self._database.read_one(self._function, (number,))
            found = self._functions[number] = () if row is None else tuple(row)
        return found

    def _orphans(self, found: _Found) -> list[int]:
        numbers = {row[0] for row in found.calls}
        return [
            number
            for number in found.children
            if number not in numbers and self._database.read_one(self._exists, (number,)) is None
        ]

    def _records_of(self, rows: Sequence[Row]) -> dict[str, bytes]:
        if self._records is None:
            return {row[1]: row[7] for row in rows if row[7] is not None}
        found = dict(get_many(self._records, [path(CALLS, row[1]) for row in rows]))
        return {row[1]: found[name] for row in rows if (name := path(CALLS, row[1])) in found}


def complaints(database: Database) -> list[str]:
    """Return what SQLite has to say against its file; nothing, too, of another database."""
    if database.dialect != "sqlite":
        return []
    try:
        rows = database.read(database.prepare(sa.text("PRAGMA quick_check")))
    except DatabaseError as error:
        return [str(error)]
    return [text for (text,) in rows if text != "ok"]


class _KnownNames:
    """Ids of names that are stored; no row has that of another."""

    def __init__(self, ids: Identifiers) -> None:
        self._ids = ids
        self._kept: dict[Name, int] = {}

    def name(self, name: Name) -> int:
        found = self._kept.get(name)
        if found is not None:
            return found
        found = self._ids.known_name(name)
        if found is None:
            return -1  # somebody may store it at any moment
        if len(self._kept) < _MOST_NAMES:
            self._kept[name] = found
        return found


@functools.lru_cache(maxsize=4096, typed=True)  # versions 1 and True are equal
def _function_row(name: str, module: str | None, version: Version, code: str | None) -> Row:
    """Return the row of a function."""
    return spell(name), spell_optional(module), spell_version(version), code or ""


def _state(found: _Found, number: int) -> tuple[Sequence[Row], Sequence[Row]]:
    return [row for row in found.calls if row[0] == number], found.children.get(number, [])


def _are_same(found: Sequence[Row], derived: Sequence[Row]) -> bool:
    """Return whether rows are the same: nearly always as they are, else as :func:`_plain` says."""
    return [*found] == [*derived] or set(map(_plain, found)) == set(map(_plain, derived))


def _plain(row: Row) -> Row:
    """Return a row with bytes of Python's own: drivers have their kinds.

    A part that is a scalar has no digest; MariaDB fills it up with zeros.
    """
    cells = (bytes(cell) if isinstance(cell, memoryview | bytearray) else cell for cell in row)
    return tuple(b"" if cell == _ZEROS else cell for cell in cells)


def _page() -> Any:
    columns = ("id", "key", "function", "result", "kind", "num", "text", "record")
    page = sa.select(*(calls.c[name] for name in columns))
    page = page.where(calls.c.id > sa.bindparam("after")).order_by(calls.c.id)
    # As text: SQLite's compiler adds an unnamed parameter to a limit without an offset.
    return page.limit(sa.literal_column(str(PAGE))).offset(sa.literal_column("0"))


def _children(table: sa.Table, columns: Sequence[str]) -> Any:
    number = table.c.call
    inside = (number > sa.bindparam("after")) & (number <= sa.bindparam("last"))
    rows = sa.select(*(table.c[name] for name in columns)).where(inside)
    return rows.order_by(number, table.c.name)
