"""Bytes in a table of any SQL database: many small payloads in one file, or on a server."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from fleche_like.backends.abilities import check_range
from fleche_like.backends.base import Buffer, StorageStat, as_bytes
from fleche_like.backends.keys import MAX_KEY_BYTES, normalise, normalise_name, normalise_prefix
from fleche_like.database import Database, Prepared, Row
from fleche_like.errors import KeyNotFound

metadata: Final = sa.MetaData()

_MYSQL: Final = ("mysql", "mariadb")

# Compared byte by byte everywhere: case, blanks and accents count, and order is by code point.
_KEY = (
    sa.String(MAX_KEY_BYTES)
    .with_variant(sa.String(MAX_KEY_BYTES, collation="C"), "postgresql")
    .with_variant(
        mysql.VARCHAR(MAX_KEY_BYTES, charset="utf8mb4", collation="utf8mb4_nopad_bin"), "mariadb"
    )
    .with_variant(
        mysql.VARCHAR(MAX_KEY_BYTES, charset="utf8mb4", collation="utf8mb4_0900_bin"), "mysql"
    )
)

blobs: Final = sa.Table(
    "blobs",
    metadata,
    sa.Column("key", _KEY, nullable=False),
    sa.Column("data", sa.LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL), nullable=False),
    sa.Column("mtime", sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint("key", name="pk_blobs"),
    sqlite_with_rowid=False,
)

_MAX_BYTES: Final = 2**30  # of one blob, in any of these databases
_PAGE: Final = 500
_BATCH: Final = 100

# No key has a NUL, and PostgreSQL no text with one: so the next key possible ends in this.
_LEAST: Final = "\x01"

# The character behind the slash ends a container: `g/` <= key < `g0`.
_BEHIND_SLASH: Final = chr(ord("/") + 1)
_BEHIND_ALL: Final = "\U0010ffff" * MAX_KEY_BYTES


class DatabaseBackend:
    """A :class:`ByteBackend` in the table ``blobs`` of a database.

    Writes commit at once, or with :meth:`transaction`, which is the database's: what an index
    writes there commits together with the blobs.

    Args:
        database: a URL as SQLAlchemy takes it, whose table is made if it is absent, and which is
            closed with this backend; or a :class:`Database` that others share, whose schema and
            closing are theirs.

    Raises:
        DatabaseError: as :class:`Database`; also of every method.
    """

    def __init__(self, database: str | Database) -> None:
        self._owned = isinstance(database, str)
        self.database = Database(database) if isinstance(database, str) else database
        self._prepare()
        if self._owned:
            self._create_table()

    @property
    def url(self) -> str:
        return self.database.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"database": self.database, "_owned": self._owned}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()
        if self._owned and self.database.dialect == "sqlite" and self.database.path is None:
            self._create_table()  # a copy of a database in memory begins empty

    def put_bytes(self, key: str, data: Buffer) -> None:
        self.put_normal(normalise_name(key), data)

    def put_normal(self, key: str, data: Buffer) -> None:
        """Store bytes under a key that is known to be in its normal spelling already."""
        self.database.write(self._put, (key, as_bytes(data), time.time()))

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.put_bytes(key, b"".join(map(as_bytes, parts)))

    def append_bytes(self, key: str, data: Buffer) -> None:
        row = (normalise_name(key), as_bytes(data), time.time())
        self.database.write(self._append, row, repeatable=False)

    def put_many(self, items: Iterable[tuple[str, Buffer]]) -> None:
        now = time.time()
        rows = [(normalise_name(key), as_bytes(data), now) for key, data in items]
        self.database.write_many(self._put, rows)

    def get_bytes(self, key: str) -> bytes:
        row = self.database.read_one(self._get, (normalise(key),))
        if row is None:
            raise self._absent(key)
        return bytes(row[0])  # what it is already, with most drivers

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for key, (_, data) in self._batches(self._get_batch, (), keys):
            yield key, bytes(data)

    def get_starts(self, keys: Iterable[str], length: int) -> Iterator[tuple[str, int, bytes]]:
        count = min(length, _MAX_BYTES)
        for key, (_, size, start) in self._batches(self._get_starts, (count,), keys):
            yield key, size, bytes(start or b"")  # SQLite: a part of nothing is NULL

    def _batches(
        self, statement: Prepared, first: Sequence[Any], keys: Iterable[str]
    ) -> Iterator[tuple[str, Row]]:
        """Yield those of many keys that exist, each with its row: a statement for a hundred."""
        rest = iter(keys)
        while batch := {key: normalise(key) for key in itertools.islice(rest, _BATCH)}:
            names = list(batch.values())
            names += [names[0]] * (_BATCH - len(names))
            found = {row[0]: row for row in self.database.read(statement, (*first, *names))}
            yield from ((key, found[name]) for key, name in batch.items() if name in found)

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        check_range(offset, length)
        first = min(offset, _MAX_BYTES) + 1
        count = _MAX_BYTES if length is None else min(length, _MAX_BYTES)
        row = self.database.read_one(self._range, (first, count, normalise(key)))
        if row is None:
            raise self._absent(key)
        return bytes(row[0] or b"")  # SQLite: a part of nothing is NULL

    def stat(self, key: str) -> StorageStat | None:
        row = self.database.read_one(self._stat, (normalise(key),))
        return None if row is None else StorageStat(*row)

    def exists(self, key: str) -> bool:
        return self.database.read_one(self._exists, (normalise(key),)) is not None

    def delete(self, key: str) -> None:
        self.database.write(self._delete, (normalise(key),))

    def renew(self, key: str) -> bool:
        self.database.write(self._renew, (time.time(), normalise(key)))
        return self.exists(key)

    def delete_older(self, key: str, before: float) -> bool:
        self.database.write(self._delete_older, (normalise(key), before))
        return not self.exists(key)

    def delete_prefix(self, prefix: str) -> None:
        self.database.write(self._delete_range, _range(normalise_prefix(prefix)))

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        container = normalise_prefix(prefix)
        if recursive:
            return self._keys(container)
        return self._children(container)

    def ensure_prefix(self, prefix: str) -> None:
        normalise(prefix)

    def transaction(self) -> AbstractContextManager[None]:
        return self.database.transaction()

    def close(self) -> None:
        if self._owned:
            self.database.close()

    def _absent(self, key: str) -> KeyNotFound:
        message = f"nothing is stored under {key!r} in {self.url}"
        return KeyNotFound(message, key=key, url=self.url)

    def _keys(self, container: str) -> Iterator[str]:
        start, end = _range(container)
        while page := self._page(start, end):
            yield from page
            start = page[-1] + _LEAST

    def _children(self, container: str) -> Iterator[str]:
        start, end = _range(container)
        while page := self._page(start, end):
            for key in page:
                if key < start:  # inside a container that was yielded
                    continue
                slash = key.find("/", len(container))
                if slash < 0:
                    yield key
                    start = key + _LEAST
                else:
                    yield key[: slash + 1]
                    # Whatever else it holds is not looked at.
                    start = key[:slash] + _BEHIND_SLASH

    def _page(self, start: str, end: str) -> list[str]:
        return [row[0] for row in self.database.read(self._list, (start, end))]

    def _create_table(self) -> None:
        create = sa.schema.CreateTable(blobs, if_not_exists=True)
        self.database.write(self.database.prepare(create))

    def _prepare(self) -> None:
        key, data = blobs.c.key, blobs.c.data
        stored: sa.BindParameter[str] = sa.bindparam("key")
        inside = (key >= sa.bindparam("start")) & (key < sa.bindparam("end"))
        prepare = self.database.prepare
        self._get = prepare(sa.select(data).where(key == stored), ["key"])
        self._exists = prepare(sa.select(sa.literal_column("1")).where(key == stored), ["key"])
        size = sa.func.length(data)
        self._stat = prepare(sa.select(size, blobs.c.mtime).where(key == stored), ["key"])
        columns = ["key", "data", "mtime"]
        part = sa.func.substr(
            data, sa.bindparam("first", type_=sa.Integer), sa.bindparam("length", type_=sa.Integer)
        )
        self._range = prepare(sa.select(part).where(key == stored), ["first", "length", "key"])
        self._put = prepare(_upsert(self.database.dialect), columns)
        self._append = prepare(_upsert(self.database.dialect, append=True), columns)
        self._delete = prepare(sa.delete(blobs).where(key == stored), ["key"])
        self._renew = prepare(
            sa.update(blobs).where(key == stored).values(mtime=sa.bindparam("now")), ["now", "key"]
        )
        older = blobs.c.mtime < sa.bindparam("before")
        self._delete_older = prepare(
            sa.delete(blobs).where(key == stored, older), ["key", "before"]
        )
        self._delete_range = prepare(sa.delete(blobs).where(inside), ["start", "end"])
        page = sa.select(key).where(inside).order_by(key)
        # As text: SQLite's compiler adds an unnamed parameter to a limit without an offset.
        page = page.limit(sa.literal_column(str(_PAGE))).offset(sa.literal_column("0"))
        self._list = prepare(page, ["start", "end"])
        names = [f"key{number}" for number in range(_BATCH)]
        among = key.in_([sa.bindparam(name) for name in names])
        self._get_batch = prepare(sa.select(key, data).where(among), names)
        start = sa.func.substr(data, 1, sa.bindparam("count", type_=sa.Integer))
        self._get_starts = prepare(sa.select(key, size, start).where(among), ["count", *names])


def _range(container: str) -> tuple[str, str]:
    """Return the first key that could lie inside a container, and the first behind it."""
    return container, container[:-1] + _BEHIND_SLASH if container else _BEHIND_ALL


def _upsert(dialect: str, *, append: bool = False) -> Any:
    row: dict[str, sa.BindParameter[Any]] = {
        name: sa.bindparam(name) for name in ("key", "data", "mtime")
    }
    if dialect in _MYSQL:
        into = mysql.insert(blobs).values(row)
        new = into.inserted
        data = sa.func.concat(blobs.c.data, new.data) if append else new.data
        return into.on_duplicate_key_update(data=data, mtime=new.mtime)
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = insert(blobs).values(row)
    excluded = statement.excluded
    joined: sa.ColumnElement[Any] = blobs.c.data.op("||")(excluded.data)
    if dialect == "sqlite":  # where || makes text of whatever it joins, byte by byte
        joined = sa.cast(joined, sa.LargeBinary())
    changes = {"data": joined if append else excluded.data, "mtime": excluded.mtime}
    return statement.on_conflict_do_update(index_elements=["key"], set_=changes)
