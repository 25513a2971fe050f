"""Keys of calls in SQL: what is there, what begins so, what lies beside."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.database import Database, Prepared
from fleche_like.hashing import Digest
from fleche_like.index.models import calls
from fleche_like.index.upserts import MYSQL

BATCH: Final = 500
BESIDE: Final = 50
"""SQLite joins at most 500 selects, and each key takes three."""

_key = calls.c.key


class Keys:
    """Reads of the unique index on ``calls.key``. Each costs the same whatever is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        prepare = database.prepare
        key: Any = sa.bindparam("key")
        low: Any = sa.bindparam("low")
        high: Any = sa.bindparam("high")
        self._contains = prepare(sa.select(calls.c.id).where(_key == key), ("key",))
        self._all = prepare(sa.select(_key))
        # The range is what is searched: SQLite's LIKE alone reads every key, because it folds case.
        # And it plans anew for each pattern (30 times the cost) that is a parameter by itself.
        pattern = sa.bindparam("prefix", type_=sa.String()).concat(sa.literal_column("'%'"))
        self._beginning = prepare(
            sa.select(_key)
            .where(_key.like(pattern), _key >= low, _key < high)
            .order_by(_key)
            .limit(sa.literal_column("2")),
            ("prefix", "low", "high"),
        )
        self._around = prepare(_around(database.dialect, ["key"]), ("key",))
        self._around_batch: Prepared | None = None  # compiled when first asked: it is long
        self._around_absent: Prepared | None = None
        self._batch_names = [f"key_{number}" for number in range(BATCH)]

    def contains(self, key: Digest) -> bool:
        """Return whether a full key is stored."""
        return self._database.read_one(self._contains, (key,)) is not None

    def all(self) -> Iterator[Digest]:
        """Yield all keys."""
        return (Digest(key) for (key,) in self._database.stream(self._all))

    def beginning(self, prefix: str) -> list[Digest]:
        """Return the at most two smallest keys that begin with a prefix."""
        found = self._database.read(self._beginning, (prefix, prefix, successor(prefix)))
        return [Digest(key) for (key,) in found]

    def around(self, keys: Sequence[Digest]) -> Sequence[str]:
        """Return those of ``keys`` that are stored, and the neighbours of each key, sorted."""
        if len(keys) == 1:
            rows: Iterable[Any] = self._database.read(self._around, tuple(keys))
        else:
            rows = itertools.chain.from_iterable(map(self._around_many, _pages(keys)))
        found = set(itertools.chain.from_iterable(rows))
        absent = [key for key in dict.fromkeys(keys) if key not in found]
        found.update(*map(self._beside, _pages(absent, BESIDE)))
        return sorted(found - {None})

    def _beside(self, absent: Sequence[Digest]) -> Iterable[str | None]:
        """Return the neighbours of keys that are not stored: what lies where they would."""
        if self._around_absent is None:
            names = [f"key_{number}" for number in range(BESIDE)]
            self._around_absent = self._database.prepare(_around_by_extremes(names), names)
        padded = [*absent, *[absent[0]] * (BESIDE - len(absent))]
        return (key for (key,) in self._database.read(self._around_absent, padded))

    def _around_many(self, keys: Sequence[Digest]) -> list[Any]:
        if self._around_batch is None:
            statement = _around(self._database.dialect, self._batch_names)
            self._around_batch = self._database.prepare(statement, self._batch_names)
        padding = [keys[0]] * (BATCH - len(keys))
        return self._database.read(self._around_batch, (*keys, *padding))


def successor(prefix: str) -> str:
    """Return the smallest text above all hex digests that begin with ``prefix``.

    >>> successor("3f9a"), successor("3f99"), successor("3f9f")
    ('3f9b', '3f9a', '3f9g')
    """
    last = prefix[-1]
    return prefix[:-1] + ("a" if last == "9" else chr(ord(last) + 1))


def _pages(keys: Sequence[Digest], size: int = BATCH) -> Iterator[Sequence[Digest]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _around(dialect: str, names: Sequence[str]) -> Any:
    if dialect in MYSQL:
        return _around_by_extremes(names)
    own = calls.alias("own")
    before, after = calls.alias("before"), calls.alias("after")
    one: Any = sa.literal_column("1")
    below = sa.select(before.c.key).where(before.c.key < own.c.key)
    above = sa.select(after.c.key).where(after.c.key > own.c.key)
    return sa.select(
        own.c.key,
        below.order_by(before.c.key.desc()).limit(one).scalar_subquery(),
        above.order_by(after.c.key).limit(one).scalar_subquery(),
    ).where(own.c.key.in_([sa.bindparam(name) for name in names]))


def _around_by_extremes(names: Sequence[str]) -> Any:
    """MariaDB runs the correlated form row by row over the whole index, but knows extremes."""
    parts = []
    for name in names:
        key: Any = sa.bindparam(name)
        parts += [
            sa.select(sa.func.max(_key)).where(_key < key),
            sa.select(sa.func.max(_key)).where(_key == key),
            sa.select(sa.func.min(_key)).where(_key > key),
        ]
    return sa.union_all(*parts)
