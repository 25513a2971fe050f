"""Calls in SQL: records that are the truth, and rows that find them."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeAlias, TypeVar

import sqlalchemy as sa

from fleche_like.backends import ByteBackend
from fleche_like.backends.abilities import get_many, put_many
from fleche_like.backends.database import DatabaseBackend
from fleche_like.calls import (
    DigestedCall,
    Grouping,
    Groups,
    LineageQuery,
    Loader,
    QueryCall,
    Related,
    Scalar,
    Selection,
    Version,
)
from fleche_like.codecs import Signer
from fleche_like.database import Database
from fleche_like.errors import DamagedEnvelope, KeyNotFound, UntrustedEnvelope
from fleche_like.hashing import Digest
from fleche_like.index import schema
from fleche_like.index.figures import Figures
from fleche_like.index.hits import Hits
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.keys import Keys
from fleche_like.index.late import Late
from fleche_like.index.ledger import Ledger
from fleche_like.index.manifests import Manifests
from fleche_like.index.many import KeyLists, condition
from fleche_like.index.models import calls, state
from fleche_like.index.records import opened
from fleche_like.index.saves import Saves
from fleche_like.index.selecting import Selector
from fleche_like.index.writing import Stored, Writer
from fleche_like.storage.base import CallStorage, Intent
from fleche_like.storage.layout import CALLS, QUARANTINE, path, quarantine
from fleche_like.storage.records import open_record, open_result, seal_record
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)

BATCH: Final = 20_000
"""Calls in one transaction of a bulk save: each writes most leaves of the records once."""

T = TypeVar("T")
Opening: TypeAlias = Callable[[bytes, Digest, Signer | None], T]
"""Opens the record of a key, for who believes a signer's alone."""
Sealed: TypeAlias = tuple[DigestedCall, bytes]
"""A call and its record."""
Used: TypeAlias = tuple[int | None, int | None]
"""Bytes of a call's result as stored, and when it was last used, in seconds since 1970."""


class SqlCallStorage(CallStorage):
    """Calls in a database: one read loads a call, and SQL answers queries.

    The truth of a call is its record; its rows follow from it. The record is in the row of the
    call, or under ``calls/`` in a byte backend.

    Args:
        database: any SQLAlchemy URL, or the :class:`Database` that blobs share. A fresh database
            gets its tables, an older SQLite file is upgraded, after a backup.
        records: where the records go: into the rows unless said otherwise. There they commit
            together; elsewhere the record is written before its rows.
        read_only: refuse every write, upgrades included (for a URL; a Database knows it).
        signer: signs records, and believes no others.

    Raises:
        SchemaOutdated: the schema is older and not ours to upgrade; says what to run.
        SchemaTooNew: a later release wrote it.
        DatabaseDamaged: the file is no sound database.

    Thread-safe and process-safe. Pickles as its configuration.
    """

    def __init__(
        self,
        database: str | Database,
        *,
        records: ByteBackend | None = None,
        read_only: bool = False,
        signer: Signer | None = None,
    ) -> None:
        self.signer = signer
        self._owned = not isinstance(database, Database)
        self.database = (
            database if isinstance(database, Database) else Database(database, read_only=read_only)
        )
        self._records = records
        self._open()

    def _open(self) -> None:
        schema.ensure(self.database)
        elsewhere = None if self._records is None else self._records_of
        ids = Identifiers(self.database)
        self._keys = Keys(self.database)
        self._writer = Writer(self.database, ids)
        self._manifests = Manifests(self.database, self.signer)
        self._figures = Figures(self.database)
        # Only SQLite has one writer, so that ids ascend as calls are committed.
        self._late: Late | None = None
        if self.database.dialect == "sqlite":
            self._late = Late(self.database, ids, elsewhere, self.signer)
        self._selector = Selector(self.database, ids, elsewhere, self._late, self.signer)
        self._record = self.database.prepare(
            sa.select(calls.c.record).where(calls.c.key == sa.bindparam("key")), ("key",)
        )
        self._many_records = KeyLists(
            self.database,
            lambda names: sa.select(calls.c.key, calls.c.record).where(
                condition(calls.c.key, self.database.dialect, names)
            ),
        )
        self._usages = KeyLists(
            self.database,
            lambda names: sa.select(calls.c.key, calls.c.size, calls.c.used).where(
                condition(calls.c.key, self.database.dialect, names)
            ),
        )
        self._generation = self.database.prepare(
            sa.select(state.c.value).where(state.c.name == "generation")
        )

    @property
    def records(self) -> ByteBackend | None:
        """Where the records of calls are kept; ``None`` if they are in their rows."""
        return self._records

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.database.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in self.__dict__.items() if name not in _REBUILT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    # --- one call ------------------------------------------------------------------------------

    def lookup(self, key: Digest) -> DigestedCall | Missing:
        """Return the call of a full key, or ``MISSING``: one indexed read.

        A record that is not what was stored is put aside under ``quarantine/`` and counts as
        missing. One that is not trusted counts as missing too, and stays.
        """
        return self._looked_up(key, open_record)

    def lookup_result(self, key: Digest) -> tuple[Digest | None, Scalar | Missing] | Missing:
        """Return the result's digest of a full key, or its value if that is a scalar.

        ``MISSING`` as :meth:`lookup`, whose cost is mostly what this does not decode.
        """
        return self._looked_up(key, open_result)

    def lookup_results(
        self, keys: Sequence[Digest]
    ) -> dict[Digest, tuple[Digest | None, Scalar | Missing]]:
        """Return :meth:`lookup_result` of those of many full keys that are stored.

        One statement, where records are in the rows of their calls.
        """
        with self._operation_contexts(keys, intent=Intent.READ):
            pairs = self._records_of(keys) if self._records is not None else self._in_rows(keys)
            found = {key: data for key, data in pairs if data is not None}
        opened = ((key, self._opened(key, data, open_result)) for key, data in found.items())
        return {key: result for key, result in opened if result is not MISSING}

    def load_many(self, keys: Sequence[Digest]) -> Iterator[DigestedCall]:
        """Yield those of many calls that are stored and sound, in any order.

        One statement for a thousand, where records are in the rows of their calls.
        """
        pairs = self._records_of(keys) if self._records is not None else self._in_rows(keys)
        return opened(pairs, self.signer)

    def contains_many(self, keys: Sequence[Digest]) -> set[str]:
        """Return those of many full keys that are stored: one statement for some hundred."""
        return self._writer.existing(keys) if keys else set()

    def _in_rows(self, keys: Sequence[Digest]) -> Iterator[tuple[Digest, bytes | None]]:
        return ((Digest(key), data) for key, data in self._many_records.read(keys))

    def hits_with(self, values: ByteBackend, container: str) -> Hits | None:
        """Return what reads results together with their bytes, if that takes one statement.

        Args:
            values: where the values go.
            container: and under which prefix, with its closing slash.

        Returns:
            ``None`` if the values are not in the same database; or if nobody is to believe a row,
            as long as its record is not verified.
        """
        if self.signer is not None:
            return None
        return Hits(self.database, container) if self._joins(values) else None

    def saves_with(self, values: ByteBackend, container: str) -> Saves | None:
        """Return what writes a call and its result at once; as :meth:`hits_with`."""
        if not self._joins(values):
            return None
        return Saves(self.database, container, self._save_once, self.signer)

    def _joins(self, values: ByteBackend) -> bool:
        """Whether values and records are in the same database."""
        small = getattr(values, "small", values)
        return self._records is None and getattr(small, "database", None) is self.database

    def _looked_up(self, key: Digest, read: Opening[T]) -> T | Missing:
        with self._operation_context(key, intent=Intent.READ):
            data = self._data(key)
        return MISSING if data is None else self._opened(key, data, read)

    def _opened(self, key: Digest, data: bytes, read: Opening[T]) -> T | Missing:
        try:
            return read(data, key, self.signer)
        except DamagedEnvelope as damage:
            logger.warning("call %s is damaged and was put aside: %s", key, damage.reason)
            self._put_aside(key)
            return MISSING
        except UntrustedEnvelope as doubt:
            logger.warning("call %s is passed over: %s", key, doubt.reason)
            return MISSING

    def load(self, key: Digest | str) -> DigestedCall:
        """Return the call of a full or short key.

        Raises:
            KeyNotFound: it is not stored.
            AmbiguousDigestError: several calls begin with a short key.
            DamagedEnvelope: its record is not what was stored.
            UntrustedEnvelope: its record is not signed by a key that is known here.
        """
        full = self._normalize_key(key)
        with self._operation_context(full, intent=Intent.READ):
            data = self._data(full)
        if data is None:
            raise KeyNotFound(f"no call {full} in {self.database.url}", key=full)
        return open_record(data, full, self.signer)

    def save(self, call: DigestedCall, *, size_bytes: int | None = None) -> Digest:
        """Store a call under its key, replacing an earlier record.

        Record and rows commit together, or the record is written first. Saving what is there
        already writes nothing.

        Args:
            call: the call.
            size_bytes: of its result as stored, for budgets.
        """
        data = seal_record(call, self.signer)
        with self._operation_context(call.key, intent=Intent.WRITE):
            if self._records is None:
                self._save(Stored(call, data, size_bytes))
            else:
                self._save_elsewhere(self._records, Stored(call, None, size_bytes), data)
        return call.key

    def save_many(
        self, calls: Iterable[DigestedCall], usages: Mapping[Digest, Used] | None = None
    ) -> None:
        """Store calls, some thousand in each transaction.

        Whenever this is interrupted, the transactions before are committed.

        Args:
            calls: the calls.
            usages: by key, as :meth:`usages` gives them.
        """
        for batch in _batches(calls):
            records = [(call, seal_record(call, self.signer)) for call in batch]
            with self._operation_contexts([call.key for call in batch], intent=Intent.WRITE):
                self.database.retrying(functools.partial(self._save_batch, records, usages or {}))

    def usages(self, keys: Sequence[Digest]) -> dict[Digest, Used]:
        """Return of the calls that are stored how large their results are, and their last use."""
        return {Digest(key): (size, used) for key, size, used in self._usages.read(keys)}

    def _save(self, stored: Stored) -> None:
        self.database.retrying(lambda: self._save_once(stored))

    def _save_once(self, stored: Stored) -> None:
        if not self._insert(stored) and self._data(stored.call.key) != stored.record:
            self._writer.replace(stored)

    def _save_elsewhere(self, records: ByteBackend, stored: Stored, data: bytes) -> None:
        same = self._data(stored.call.key) == data
        if not same:
            records.put_bytes(path(CALLS, stored.call.key), data)

        def save() -> None:
            if not self._insert(stored, data) and not same:
                self._writer.replace(stored)

        self.database.retrying(save)

    def _insert(self, stored: Stored, data: bytes | None = None) -> bool:
        if self._late is None:
            return self._writer.insert(stored)
        number = self._writer.insert_late(stored)
        if number is not None:
            self._late.added(number, stored.call, stored.record or data or b"")
        return number is not None

    def _save_batch(self, sealed: Sequence[Sealed], usages: Mapping[Digest, Used]) -> None:
        """Save calls inside an open transaction."""
        unknown = (None, None)
        again = sealed
        if self._late is not None:
            self._late.derive()
            new, again = self._sorted_out(sealed)
            self._put_many(new)
            in_rows = self._records is None
            self._writer.insert_new(
                [
                    Stored(call, data if in_rows else None, *usages.get(call.key, unknown))
                    for call, data in new
                ]
            )
            self._late.raise_watermark()
        for call, data in sorted(again, key=lambda sealed: sealed[0].key):
            used = usages.get(call.key, unknown)
            if self._records is None:
                self._save(Stored(call, data, *used))
            else:
                self._save_elsewhere(self._records, Stored(call, None, *used), data)

    def _put_many(self, sealed: Sequence[Sealed]) -> None:
        """Write records to where they are kept, if that is not in the rows."""
        if self._records is None:
            return
        put_many(self._records, sorted((path(CALLS, call.key), data) for call, data in sealed))

    def _sorted_out(self, records: Sequence[Sealed]) -> tuple[list[Sealed], list[Sealed]]:
        """Return what is stored for the first time, and what replaces or repeats something."""
        seen = self._writer.existing([call.key for call, _ in records])
        new: list[Sealed] = []
        again: list[Sealed] = []
        for call, data in records:
            (again if call.key in seen else new).append((call, data))
            seen.add(call.key)
        return new, again

    def _data(self, key: Digest) -> bytes | None:
        if self._records is None:
            row = self.database.read_one(self._record, (key,))
            return None if row is None else row[0]
        try:
            return self._records.get_bytes(path(CALLS, key))
        except KeyError:
            return None

    def put_aside(self, key: Digest) -> None:
        """Move the record of a full key under ``quarantine/``, and remove its rows."""
        self._put_aside(key)

    def index_late(self) -> None:
        """Write into the index what is late, where that may be."""
        if self._late is not None:
            self._late.derive()

    def _put_aside(self, key: Digest) -> None:
        if self.database.read_only:
            return
        with self._operation_context(key, intent=Intent.WRITE), self.transaction():
            if self._records is not None:
                quarantine(self._records, path(CALLS, key))
            elif data := self._data(key):
                DatabaseBackend(self.database).put_bytes(f"{QUARANTINE}{path(CALLS, key)}", data)
            self._remove(key)

    def _remove(self, key: Digest) -> None:
        if self._writer.remove(key) and self._late is not None:
            self._late.removed()

    # --- keys ----------------------------------------------------------------------------------

    def list(self) -> Iterator[Digest]:
        """Yield every stored key, as of the moment of the call, in no particular order."""
        return self._keys.all()

    def _contains(self, key: Digest) -> bool:
        return self._keys.contains(key)

    def _evict(self, key: Digest) -> None:
        # Rows before the record: a record without rows is found by `reindex`, the other way round
        # a query would name a call that is not there.
        self.database.retrying(lambda: self._remove(key))
        if self._records is not None:
            records = self._records
            self.database.after_commit(lambda: records.delete(path(CALLS, key)))

    def _prefix_candidates(self, prefix: str) -> Iterable[Digest]:
        return self._keys.beginning(prefix)

    def _sorted_around(self, keys: Sequence[Digest]) -> Sequence[str]:
        return self._keys.around(keys)

    # --- many calls ----------------------------------------------------------------------------

    def query(self, template: QueryCall) -> Iterator[DigestedCall]:
        """Yield every stored call that matches a template; ``None`` is its wildcard.

        Streams: calls may be saved and evicted meanwhile.
        """
        return self._selector.select(Selection(template), _NO_VALUES)

    def select(self, selection: Selection, loader: Loader) -> Iterator[DigestedCall]:
        """Yield the calls that are selected, as :func:`~fleche_like.calls.select_from` would.

        A constant number of statements, whatever is stored; streams, unless calls have to be
        ordered by what SQL cannot order exactly. Calls may be saved and evicted meanwhile.

        Args:
            selection: which calls, in which order, how many.
            loader: gives the values that conditions with paths look into.
        """
        return self._selector.select(selection, loader)

    def count(self, selection: Selection, loader: Loader) -> int:
        """Return how many calls :meth:`select` would yield, without reading their records."""
        return self._selector.count(selection, loader)

    def aggregate(self, selection: Selection, grouping: Grouping, loader: Loader) -> Groups:
        """Return the groups of the calls that :meth:`select` would yield, with their figures.

        A constant number of statements; only calls of which SQL cannot say all are read.

        Args:
            selection: which calls.
            grouping: by which fields, and what is measured.
            loader: gives the values that fields with paths look into.
        """
        return self._selector.aggregate(selection, grouping, loader)

    def related(self, asked: LineageQuery) -> Related:
        """Return the calls of a lineage: one recursive statement for each direction.

        Late calls among the related ones take a statement more for each that lies between.
        """
        return self._selector.related(asked)

    def _records_of(self, keys: Sequence[Digest]) -> Iterator[tuple[Digest, bytes | None]]:
        assert self._records is not None
        found = dict(get_many(self._records, [path(CALLS, key) for key in keys]))
        return ((key, found.get(path(CALLS, key))) for key in keys)

    # --- the whole -----------------------------------------------------------------------------

    def ledger(self) -> Ledger:
        """Return what a budget keeps account in."""
        return Ledger(self.database)

    def retrying(self, action: Callable[[], T]) -> T:
        """Run a unit of work, and again if the server undid it: see the database's method."""
        return self.database.retrying(action)

    def transaction(self) -> AbstractContextManager[None]:
        """Return the database's unit of work: what is written inside commits together."""
        return self.database.transaction()

    def generation(self) -> int:
        """Return a number that grows whenever anyone evicts or overwrites a call.

        Whoever keeps calls in memory may keep them for as long as it stands still.
        """
        row = self.database.read_one(self._generation)
        return 0 if row is None else int(row[0])

    def codes(self, name: str, module: str | None, version: Version) -> Sequence[Digest]:
        """Return the code digests under which calls of a function were ever stored."""
        return self._manifests.codes(name, module, version)

    def figures(self, name: str, module: str | None) -> tuple[int, int | None, float | None]:
        """Return how many calls of a function are stored, their bytes, and their mean seconds."""
        return self._figures.of(name, module)

    def save_manifest(self, code: Digest, parts: Mapping[str, Digest]) -> None:
        """Store the digests of the parts that went into a code digest, unless they are there."""
        self._manifests.save(code, parts)

    def manifest(self, code: Digest) -> dict[str, str]:
        """Return digests by part of a code digest; empty if its manifest is not stored."""
        return self._manifests.load(code)

    def size_bytes(self) -> int | None:
        """Return the size of the database file with its log, in bytes; ``None`` on a server."""
        place = self.database.path
        if place is None:
            return None
        files = (place, place.with_name(f"{place.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Index what is late, and release connections; those of a database handed over stay."""
        if self._late is not None:
            self._late.derive_mine()
        if self._owned:
            if self._records is not None:
                self._records.close()
            self.database.close()


class _NoValues:
    """A loader for queries that look into no value."""

    def load_value(self, digest: Digest, /) -> Any:
        raise KeyNotFound(f"no values here: {digest}", key=digest)


_NO_VALUES: Final = _NoValues()
_REBUILT: Final = frozenset(
    {
        "_keys",
        "_writer",
        "_manifests",
        "_figures",
        "_selector",
        "_record",
        "_many_records",
        "_usages",
        "_generation",
        "_late",
    }
)


def _batches(calls: Iterable[DigestedCall]) -> Iterator[Sequence[DigestedCall]]:
    rest = iter(calls)
    while batch := [*itertools.islice(rest, BATCH)]:
        yield batch
