"""Which values stored calls use: what must not be removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from fleche_like.backends import ByteBackend
from fleche_like.backends.abilities import get_many
from fleche_like.database import Database, Prepared
from fleche_like.hashing import Digest
from fleche_like.index.models import arguments, calls, manifests, state
from fleche_like.storage.layout import CALLS, path

PAGE: Final = 1000
"""Calls of one statement: no read transaction stays open while they are looked at."""

BATCH: Final = 200
"""Digests of one statement."""


class Numbered(NamedTuple):
    """A stored call: the id of its row, its key, and its record unless that is gone."""

    number: int
    key: Digest
    record: bytes | None


class Uses:
    """Reads of what the calls of one database name, in pieces of bounded size.

    Args:
        database: holds the calls.
        records: where their records are kept, if that is not in their rows.
    """

    def __init__(self, database: Database, records: ByteBackend | None) -> None:
        self._database = database
        self._records = records
        prepare = database.prepare
        self._page = prepare(_page(), ("after",))
        self._newest = prepare(sa.select(sa.func.coalesce(sa.func.max(calls.c.id), 0)))
        self._manifests = prepare(
            sa.select(manifests.c.digest).where(manifests.c.code == sa.bindparam("code")), ("code",)
        )
        self._codes = prepare(_codes(), ("after",))
        mark = state.c.name == "indexed"
        watermark = sa.select(state.c.value).where(mark).scalar_subquery()
        self._late = prepare(
            sa.select(calls.c.result).where(calls.c.id > watermark, calls.c.kind < 0)
        )
        names = [f"digest_{place}" for place in range(BATCH)]
        self._among = [prepare(statement, names) for statement in _among(names)]
        self._hold = prepare(sa.update(state).where(mark).values(value=state.c.value))

    def newest(self) -> int:
        """Return the highest id; ids ascend as calls are committed where there is one writer."""
        row = self._database.read_one(self._newest)
        return 0 if row is None else int(row[0])

    def after(self, number: int) -> Iterator[Numbered]:
        """Yield the calls whose ids are higher, in their order; a statement for each thousand."""
        while rows := self._database.read(self._page, (number,)):
            number = rows[-1][0]
            if self._records is None:
                yield from (Numbered(each, Digest(key), data) for each, key, data in rows)
            else:
                yield from self._with_records(self._records, rows)

    def hold(self) -> None:
        """Begin to write inside the open transaction: on SQLite nobody else does from here on."""
        self._database.write(self._hold)

    def of_manifests(self) -> Iterator[Digest]:
        """Yield the digests in code manifests, where the source texts are among."""
        code = b""
        while codes := self._database.read(self._codes, (code,)):
            for (code,) in codes:
                rows = self._database.read(self._manifests, (code,))
                yield from (_digest(found) for (found,) in rows)

    def used(self, digests: Sequence[Digest]) -> set[Digest]:
        """Return those of some digests that calls or manifests name, as of now: by the indexes.

        Arguments that compare with scalars and are none themselves (``np.float64(1)``) are in no
        index by digest, and are not found.
        """
        found = {_digest(result) for (result,) in self._database.read(self._late) if result}
        for start in range(0, len(digests), BATCH):
            page = [bytes.fromhex(digest) for digest in digests[start : start + BATCH]]
            page += [page[0]] * (BATCH - len(page))
            for statement in self._among:
                found.update(self._read(statement, page))
        return found.intersection(digests)

    def _read(self, statement: Prepared, page: Sequence[bytes]) -> Iterable[Digest]:
        return [_digest(found) for (found,) in self._database.read(statement, tuple(page))]

    @staticmethod
    def _with_records(records: ByteBackend, rows: Sequence[Any]) -> Iterator[Numbered]:
        found = dict(get_many(records, [path(CALLS, key) for _, key, _ in rows]))
        for number, key, _ in rows:
            yield Numbered(number, Digest(key), found.get(path(CALLS, key)))


def _digest(data: Any) -> Digest:
    return Digest(bytes(data).hex())


def _page() -> Any:
    page = sa.select(calls.c.id, calls.c.key, calls.c.record)
    return _limited(page.where(calls.c.id > sa.bindparam("after")).order_by(calls.c.id), PAGE)


def _codes() -> Any:
    code = manifests.c.code
    codes = sa.select(code).where(code > sa.bindparam("after"), manifests.c.position == 0)
    return _limited(codes.order_by(code), PAGE)


def _limited(statement: Any, count: int) -> Any:
    # As text: SQLite's compiler adds an unnamed parameter to a limit without an offset.
    return statement.limit(sa.literal_column(str(count))).offset(sa.literal_column("0"))


def _among(names: Sequence[str]) -> Iterator[Any]:
    digests: list[Any] = [sa.bindparam(name) for name in names]
    derived = calls.c.kind >= sa.literal_column("0")
    yield sa.select(calls.c.result).where(
        calls.c.result.in_(digests), calls.c.result.isnot(None), derived
    )
    # No scalar, as the index by value has it.
    unnamed = arguments.c.num.is_(None), arguments.c.text.is_(None)
    yield sa.select(arguments.c.value).where(arguments.c.value.in_(digests), *unnamed)
    yield sa.select(manifests.c.digest).where(manifests.c.digest.in_(digests))
