"""What a budgeted cache keeps account of: its calls by last use and worth, its values by uses.

Only caches with a budget have rows here. Whoever changes any holds the one row of totals, so that
budgeted writers go one after another and may read before they write. Each call has a row with when
it was used last, in microseconds since 1970, and a *rank*: what it is worth, on top of the *floor*
as of its last use. Where the calls of least rank go first and the floor is raised to the rank of
each that goes, that is GreedyDual-Size (Cao and Irani, 1997).

Each value has a row with its size as stored and by how many calls and other values it is used.
One that nobody uses any more but may still be stored has a row with no uses.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import sqlalchemy as sa

from fleche_like.database import Database, Prepared
from fleche_like.hashing import Digest
from fleche_like.index.models import budget, budget_calls, budget_values, calls
from fleche_like.index.upserts import insert_or_ignore

Eviction: TypeAlias = Literal["lru", "cost"]

_TOGETHER: Final = 200
"""Entries that one statement reads."""

_ID: Final = 1
_THIS: Final = budget.c.id == sa.literal_column(str(_ID))


class Totals(NamedTuple):
    """Sums over what is in the account.

    Attributes:
        items: calls.
        bytes: of records and values.
        floor: what ranks are counted from.
        seen: the highest id of a call that was looked at.
    """

    items: int = 0
    bytes: int = 0
    floor: int = 0
    seen: int = 0


class CallEntry(NamedTuple):
    """A call in the account.

    Attributes:
        key: its key.
        result: the digest of its result.
        size: bytes of its record.
        worth: seconds that it took, in picoseconds for each byte.
        rank: its worth and the floor as of its last use.
        used: its last use.
    """

    key: Digest
    result: Digest | None
    size: int
    worth: int
    rank: int
    used: int


class ValueEntry(NamedTuple):
    """A value in the account.

    Attributes:
        size: bytes as stored; 0 if it is not.
        uses: by how many calls and values it is used.
        parts: how many others it is put together from.
    """

    size: int
    uses: int
    parts: int


class Row(NamedTuple):
    """What the index says of a call.

    Attributes:
        number: its id.
        key: its key.
        cost: seconds that it took, if known.
        used: when it was saved, in seconds since 1970, if known.
        size: bytes of its record; ``None`` if that is not in the row.
    """

    number: int
    key: Digest
    cost: float | None
    used: int | None
    size: int | None


class Ledger:
    """The account of one database. Whatever changes it runs inside a transaction, after `lock`.

    Args:
        database: holds the calls.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        prepare = database.prepare
        self._begin = insert_or_ignore(database, budget, ("id", *Totals._fields), ("id",))
        same = sa.update(budget).where(_THIS).values(items=budget.c["items"])
        self._lock = prepare(same)
        self._totals = prepare(_of_row(budget, Totals._fields).where(_THIS))
        self._keep = prepare(
            sa.update(budget).where(_THIS).values(_params(Totals._fields, "new_")),
            [f"new_{name}" for name in Totals._fields],
        )
        self._calls = _Table(database, budget_calls, CallEntry._fields)
        self._values = _Table(database, budget_values, ("digest", *ValueEntry._fields))
        self._use = prepare(
            sa.update(budget_calls)
            .where(budget_calls.c.key == sa.bindparam("k"), budget_calls.c.used < _p("new_used"))
            .values(used=_p("new_used"), rank=budget_calls.c.worth + _p("floor")),
            ("new_used", "floor", "k"),
        )
        columns = budget_calls.c
        limit: Any = sa.bindparam("count")
        chosen = sa.select(*(columns[name] for name in CallEntry._fields)).limit(limit)
        self._oldest = {
            "lru": prepare(chosen.order_by(columns.used), ("count",)),
            "cost": prepare(chosen.order_by(columns.rank, columns.used), ("count",)),
        }
        self._unused = prepare(
            sa.select(budget_values.c.digest, budget_values.c.size)
            .where(budget_values.c.uses == sa.literal_column("0"))
            .limit(limit),
            ("count",),
        )
        row = sa.select(
            calls.c.id, calls.c.key, calls.c.cost, calls.c.used, sa.func.length(calls.c.record)
        )
        self._row = prepare(row.where(calls.c.key == sa.bindparam("key")), ("key",))
        newer = row.where(calls.c.id > sa.bindparam("seen")).order_by(calls.c.id).limit(limit)
        self._newer = prepare(newer, ("seen", "count"))
        self._newest = prepare(sa.select(sa.func.coalesce(sa.func.max(calls.c.id), 0)))

    # Totals

    def totals(self) -> Totals:
        """Return the totals; all zero before anything was entered."""
        row = self._database.read_one(self._totals)
        return Totals() if row is None else Totals(*map(int, row))

    def lock(self) -> Totals:
        """Keep others from the account until the transaction ends, and return the totals."""
        self._database.write(self._lock)
        row = self._database.read(self._totals)
        if not row:
            self._database.write(self._begin, (_ID, *Totals()))
            return self.lock()
        return Totals(*map(int, row[0]))

    def keep(self, totals: Totals) -> None:
        """Write the totals."""
        self._database.write(self._keep, totals)

    # Calls

    def call(self, key: Digest) -> CallEntry | None:
        """Return a call's entry."""
        row = self._calls.get(bytes.fromhex(key))
        return None if row is None else _entry(row)

    def put_call(self, entry: CallEntry, *, new: bool) -> None:
        """Enter a call, or change its entry."""
        result = None if entry.result is None else bytes.fromhex(entry.result)
        self._calls.put((bytes.fromhex(entry.key), result, *entry[2:]), new=new)

    def remove_call(self, key: Digest) -> None:
        """Remove a call's entry."""
        self._calls.remove(bytes.fromhex(key))

    def use_calls(self, uses: Sequence[tuple[Digest, int]], floor: int) -> None:
        """Note last uses of calls that are in the account; earlier ones change nothing."""
        rows = [(used, floor, bytes.fromhex(key)) for key, used in uses]
        self._database.write_many(self._use, rows)

    def first(self, eviction: Eviction, count: int) -> list[CallEntry]:
        """Return the calls that are to go first, in their order, at most so many."""
        return [_entry(row) for row in self._database.read(self._oldest[eviction], (count,))]

    # Values

    def value(self, digest: Digest) -> ValueEntry | None:
        """Return a value's entry."""
        row = self._values.get(bytes.fromhex(digest))
        return None if row is None else ValueEntry(*map(int, row[1:]))

    def put_value(self, digest: Digest, entry: ValueEntry, *, new: bool) -> None:
        """Enter a value, or change its entry."""
        self._values.put((bytes.fromhex(digest), *entry), new=new)

    def remove_value(self, digest: Digest) -> None:
        """Remove a value's entry."""
        self._values.remove(bytes.fromhex(digest))

    def unused(self, count: int) -> list[tuple[Digest, int]]:
        """Return values that nobody uses and their sizes, at most so many."""
        rows = self._database.read(self._unused, (count,))
        return [(Digest(bytes(digest).hex()), int(size)) for digest, size in rows]

    # What the index says

    def row(self, key: Digest) -> Row | None:
        """Return what the index says of a call."""
        found = self._database.read_one(self._row, (key,))
        return None if found is None else _row(found)

    def newer(self, seen: int, count: int) -> list[Row]:
        """Return the calls with ids above ``seen``, ascending, at most so many."""
        return [_row(found) for found in self._database.read(self._newer, (seen, count))]

    def newest(self) -> int:
        """Return the highest id of a call; 0 if there is none."""
        found = self._database.read_one(self._newest)
        return 0 if found is None else int(found[0])


class LedgerPage(Ledger):
    """A ledger whose entries are read and written many at a time, by one thread.

    What is changed waits in memory for :meth:`write`, in the transaction in which the ledger was
    locked.

    Args:
        ledger: what it is a page of.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.__dict__.update(ledger.__dict__)
        self._calls = self._waiting_calls = _Waiting(ledger._calls)
        self._values = self._waiting_values = _Waiting(ledger._values)

    def fetch_calls(self, keys: Iterable[Digest]) -> None:
        """Read the entries of calls."""
        self._waiting_calls.fetch(map(bytes.fromhex, keys))

    def fetch_values(self, digests: Iterable[Digest]) -> None:
        """Read the entries of values."""
        self._waiting_values.fetch(map(bytes.fromhex, digests))

    def write(self) -> None:
        """Write what was changed."""
        self._waiting_calls.write()
        self._waiting_values.write()


class _Table:
    """Rows of a table whose primary key is its first column."""

    def __init__(self, database: Database, table: sa.Table, columns: Sequence[str]) -> None:
        self._database = database
        self._table, self._columns = table, columns
        key = table.c[columns[0]]
        this = key == sa.bindparam("k")
        self._get = database.prepare(_of_row(table, columns).where(this), ("k",))
        self._insert = database.prepare(sa.insert(table).values(_params(columns)), columns)
        rest = columns[1:]
        self._update = database.prepare(
            sa.update(table).where(this).values(_params(rest, "new_")),
            (*(f"new_{name}" for name in rest), "k"),
        )
        self._delete = database.prepare(sa.delete(table).where(this), ("k",))

    def get(self, key: bytes) -> tuple[Any, ...] | None:
        return self._database.read_one(self._get, (key,))

    def get_many(self, keys: Sequence[bytes]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), _TOGETHER):
            some = keys[start : start + _TOGETHER]
            padding = [some[0]] * (_TOGETHER - len(some))
            yield from self._database.read(self._among, (*some, *padding))

    def put(self, row: Sequence[Any], *, new: bool) -> None:
        if new:
            self._database.write(self._insert, row)
        else:
            self._database.write(self._update, (*row[1:], row[0]))

    def put_many(self, rows: Iterable[Sequence[Any]], *, new: bool) -> None:
        if new:
            self._database.write_many(self._insert, rows)
        else:
            self._database.write_many(self._update, [(*row[1:], row[0]) for row in rows])

    def remove(self, key: bytes) -> None:
        self._database.write(self._delete, (key,))

    @functools.cached_property
    def _among(self) -> Prepared:
        # Compiled when it is first used: most caches never adopt anything.
        names = [f"key_{place}" for place in range(_TOGETHER)]
        among = self._table.c[self._columns[0]].in_([sa.bindparam(name) for name in names])
        return self._database.prepare(_of_row(self._table, self._columns).where(among), names)


class _Waiting(_Table):
    """A table whose rows were read together, and wait to be written together."""

    def __init__(self, table: _Table) -> None:
        self._beneath = table
        self._held: dict[bytes, tuple[Any, ...] | None] = {}
        self._changed: dict[bytes, bool] = {}  # and whether the row is new

    def fetch(self, keys: Iterable[bytes]) -> None:
        missing = sorted(set(keys) - self._held.keys())
        self._held.update(dict.fromkeys(missing))
        self._held.update((bytes(row[0]), row) for row in self._beneath.get_many(missing))

    def get(self, key: bytes) -> tuple[Any, ...] | None:
        if key not in self._held:
            self._held[key] = self._beneath.get(key)
        return self._held[key]

    def put(self, row: Sequence[Any], *, new: bool) -> None:
        self._changed.setdefault(row[0], new)
        self._held[row[0]] = tuple(row)

    def remove(self, key: bytes) -> None:
        if not self._changed.pop(key, False):
            self._beneath.remove(key)
        self._held[key] = None

    def write(self) -> None:
        for new in (True, False):
            rows = [self._held[key] for key, is_new in self._changed.items() if is_new is new]
            if rows:
                self._beneath.put_many([row for row in rows if row is not None], new=new)
        self._changed.clear()


def _p(name: str) -> Any:
    return sa.bindparam(name, type_=sa.BigInteger())


def _params(names: Sequence[str], prefix: str = "") -> dict[str, Any]:
    return {name: sa.bindparam(f"{prefix}{name}") for name in names}


def _of_row(table: sa.Table, columns: Sequence[str]) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in columns))


def _entry(row: Sequence[Any]) -> CallEntry:
    key, result, *numbers = row
    sealed = None if result is None else Digest(bytes(result).hex())
    size, worth, rank, used = map(int, numbers)
    return CallEntry(Digest(bytes(key).hex()), sealed, size, worth, rank, used)


def _row(found: Sequence[Any]) -> Row:
    number, key, cost, used, size = found
    return Row(int(number), Digest(key), cost, used, size)
