"""The account of a budgeted cache: what each call takes, what it is worth, who uses which value.

Every method that changes something runs inside a transaction and after :meth:`Account.begin`, so
that all budgeted writers of a cache go one after another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from fleche_like.backends import StorageStat, SupportsStat
from fleche_like.backends.abilities import stat
from fleche_like.calls import DigestedCall
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.glances import glances
from fleche_like.storage.layout import path

if TYPE_CHECKING:
    from fleche_like.index.calls import SqlCallStorage
    from fleche_like.index.ledger import CallEntry, Eviction, Ledger, Row, ValueEntry

PICOSECONDS: Final = 10**12
MOST_WORTH: Final = 10**15
"""An hour for four bytes; more would soon use up the numbers that the floor has."""

MICROSECONDS: Final = 10**6

Measure: TypeAlias = tuple[int | None, Sequence[Digest]]
"""The bytes that a value takes, ``None`` if it is not stored, and its parts."""

_ABSENT: Final[Measure] = (None, ())
"""Of a value that was looked for together with others: it is not looked for again."""


def used_by(call: DigestedCall) -> set[Digest]:
    """Return the digests of the values that keep a call company; scalars are in its record."""
    return _arguments(call) if call.result is None else _arguments(call) | {call.result}


def _arguments(call: DigestedCall) -> set[Digest]:
    return {digest for name, digest in call.arguments.items() if name not in call.scalars}


class Account:
    """Adds calls to the account of a cache, and takes them out together with their values.

    Args:
        values: the values of the cache.
        calls: its calls.
        ledger: of its database.

    Attributes:
        freed: values that were found to be in files, and that nobody uses any more: they can be
            removed when this is committed.
    """

    def __init__(self, values: BackendValueStorage, calls: SqlCallStorage, ledger: Ledger) -> None:
        self._values = values
        self._calls = calls
        self._ledger = ledger
        small = getattr(values.backend, "small", values.backend)
        self._inside = getattr(small, "database", None) is calls.database
        self._most_inside = getattr(values.backend, "threshold_bytes", None)
        # Asked once: isinstance() against a protocol costs more than the statement behind it.
        self._stat: Callable[[str], StorageStat | None] = (
            values.backend.stat
            if isinstance(values.backend, SupportsStat)
            else functools.partial(stat, values.backend)
        )
        #: Whether values can be written without a wait for anything but the database.
        self.is_one_database = small is values.backend and self._inside
        self.forget_attempt()

    def forget_attempt(self) -> None:
        """Forget what an attempt before this one noted."""
        self.freed: list[Digest] = []
        self._limbo = 0
        self._known: dict[Digest, Measure] = {}

    @property
    def items(self) -> int:
        """How many calls are in the account, as of :meth:`begin` and what was done since."""
        return self._items

    @property
    def bytes(self) -> int:
        """How many bytes they take with their values, but for those about to be removed."""
        return self._bytes - self._limbo

    def look(self) -> tuple[int, int]:
        """Return items and bytes as they are stored; at any time."""
        totals = self._ledger.totals()
        return totals.items, totals.bytes

    def begin(self) -> None:
        """Keep other budgeted writers out until the transaction ends."""
        totals = self._ledger.lock()
        self._items, self._bytes, self._floor, self._seen = totals

    def end(self) -> None:
        """Write the sums."""
        from fleche_like.index.ledger import Totals

        self._ledger.keep(Totals(self._items, self._bytes, self._floor, self._seen))

    # Calls

    def add(self, call: DigestedCall, used: int) -> int:
        """Enter a call that was just saved, over an earlier one of its key.

        Args:
            call: the call.
            used: now, in microseconds since 1970.

        Returns:
            What it takes together with its values, in bytes.
        """
        row = self._ledger.row(call.key)
        return 0 if row is None else self._enter(call, row, used)

    def add_newer(self, count: int) -> int:
        """Enter calls that others have saved without keeping account, at most so many.

        Returns:
            How many calls were looked at.
        """
        rows = self._ledger.newer(self._seen, count)
        unknown = {row.key: row for row in rows if self._ledger.call(row.key) is None}
        for call in self._calls.load_many([*unknown]) if unknown else ():
            self._enter_older(call, unknown[call.key])
        if rows:
            self._seen = rows[-1].number
        return len(rows)

    def add_newer_together(self, count: int) -> int:
        """Do what :meth:`add_newer` does, in a few statements however many calls there are."""
        from fleche_like.index.ledger import LedgerPage

        rows = self._ledger.newer(self._seen, count)
        page = LedgerPage(self._ledger)
        page.fetch_calls(row.key for row in rows)
        unknown = {row.key: row for row in rows if page.call(row.key) is None}
        calls = [*self._calls.load_many([*unknown])] if unknown else []
        page.fetch_values(self._glanced({digest for call in calls for digest in used_by(call)}))
        whole, self._ledger = self._ledger, page
        try:
            for call in calls:
                self._enter_older(call, unknown[call.key])
        finally:
            self._ledger = whole
        page.write()
        if rows:
            self._seen = rows[-1].number
        return len(rows)

    def _enter_older(self, call: DigestedCall, row: Row) -> None:
        # Of one second in the order in which they were saved.
        self._enter(call, row, MICROSECONDS * (row.used or 0) + row.number % MICROSECONDS)

    def _enter(self, call: DigestedCall, row: Row, used: int) -> int:
        from fleche_like.index.ledger import CallEntry

        before = self._ledger.call(call.key)
        if before is None:
            size = sum(self._take_up(digest) for digest in sorted(used_by(call)))
            self._items += 1
        else:
            # Its arguments are what they were: they are in its key. But some may be stored now.
            size = self._replace(before, call) + sum(map(self._seen_again, _arguments(call)))
        record = row.size or 0
        worth = _worth(row.cost, size + record)
        entry = CallEntry(call.key, call.result, record, worth, self._floor + worth, used)
        self._ledger.put_call(entry, new=before is None)
        self._bytes += record - (0 if before is None else before.size)
        return size + record

    def _replace(self, before: CallEntry, call: DigestedCall) -> int:
        if before.result == call.result:
            return self._size(call.result)
        taken = 0 if call.result is None else self._take_up(call.result)
        if before.result is not None:
            self._let_go(before.result)
        return taken

    def _size(self, digest: Digest | None) -> int:
        found = None if digest is None else self._ledger.value(digest)
        return 0 if found is None else found.size

    def use(self, uses: Mapping[Digest, int]) -> None:
        """Note when calls were used last."""
        if uses:
            self._ledger.use_calls(sorted(uses.items()), self._floor)

    def first(self, eviction: Eviction, count: int) -> Sequence[CallEntry]:
        """Return the calls that are to go first, at most so many."""
        return self._ledger.first(eviction, count)

    def remove(self, entry: CallEntry, eviction: Eviction) -> int:
        """Remove a call, and the values that nobody else uses.

        Returns:
            The bytes that this frees.
        """
        before = self.bytes
        # The account's own result: somebody may have replaced the record without keeping account.
        values = set() if entry.result is None else {entry.result}
        for call in self._calls.load_many([entry.key]):
            values |= _arguments(call)
        self._calls._evict(entry.key)
        self._ledger.remove_call(entry.key)
        self._items -= 1
        self._bytes -= entry.size
        for digest in sorted(values):
            self._let_go(digest)
        if eviction == "cost":
            self._floor = max(self._floor, entry.rank)
        # The newest id is given again on SQLite.
        self._seen = min(self._seen, self._ledger.newest())
        return before - self.bytes

    def entry(self, key: Digest) -> CallEntry | None:
        """Return a call's entry."""
        return self._ledger.call(key)

    def behind(self) -> int:
        """Return at most how many calls are not in the account; at any time."""
        return max(0, self._ledger.newest() - self._ledger.totals().seen)

    # Values

    def is_sure(self, digest: Digest) -> bool:
        """Return whether a value is stored with its parts, and stays so.

        One that was about to be removed goes at once: some of its parts may have gone already.
        """
        found = self._ledger.value(digest)
        if found is not None and not found.uses:
            self._remove_unused(digest, found.size)
            return False
        if found is not None and found.size:
            return True
        size, parts = self._measured(digest)
        sure = [self.is_sure(part) for part in parts]  # each, whatever the others are
        return size is not None and all(sure)

    def hold(self, digests: Iterable[Digest]) -> None:
        """Enter values that are used for ever: those of code manifests."""
        for digest in digests:
            self._take_up(digest)

    def _take_up(self, digest: Digest) -> int:
        """Note one more use of a value; return its size."""
        found = self._ledger.value(digest)
        if found is not None and found.size and found.uses:
            self._ledger.put_value(digest, found._replace(uses=found.uses + 1), new=False)
            return found.size
        return self._enter_value(digest, found, 1)

    def _seen_again(self, digest: Digest) -> int:
        """Return the size of a value in use, which may have been stored just now."""
        found = self._ledger.value(digest)
        if found is None or found.size:
            return 0 if found is None else found.size
        return self._enter_value(digest, found, 0)

    def _enter_value(self, digest: Digest, before: ValueEntry | None, more: int) -> int:
        from fleche_like.index.ledger import ValueEntry

        size, parts = self._measured(digest)
        old = before or ValueEntry(0, 0, 0)
        entry = ValueEntry(size or 0, old.uses + more, len(parts))
        self._ledger.put_value(digest, entry, new=before is None)
        self._bytes += entry.size - old.size
        for part in parts:
            self._take_up(part)
        return entry.size

    def _let_go(self, digest: Digest) -> None:
        """Note one use less of a value, and remove what nobody uses any more."""
        found = self._ledger.value(digest)
        if found is None or not found.uses:
            return
        if found.uses > 1:
            self._ledger.put_value(digest, found._replace(uses=found.uses - 1), new=False)
            return
        parts = self._values.references(digest) if found.parts else ()
        self._free(digest, found)
        for part in parts:
            self._let_go(part)

    def _free(self, digest: Digest, entry: ValueEntry) -> None:
        inside = self._most_inside is None or entry.size <= self._most_inside
        if not entry.size or (self._inside and inside):
            self._remove_unused(digest, entry.size)
            return
        # A file goes when it is certain that the record is gone: see `sweep`.
        self._ledger.put_value(digest, entry._replace(uses=0), new=False)
        self.freed.append(digest)
        self._limbo += entry.size

    def sweep(self, count: int) -> int:
        """Remove values that nobody uses, in a transaction after that in which they came to this.

        Whoever wants to use one meanwhile waits for the end of this, and then finds it gone.

        Returns:
            How many were removed.
        """
        unused = self._ledger.unused(count)
        for digest, size in unused:
            self._remove_unused(digest, size)
        return len(unused)

    def _remove_unused(self, digest: Digest, size: int) -> None:
        if size:
            self._values.backend.delete(path(self._values.prefix, digest))
        self._ledger.remove_value(digest)
        self._bytes -= size
        self._known.pop(digest, None)

    def _glanced(self, digests: set[Digest]) -> Iterable[Digest]:
        """Measure values and their parts together; return their digests."""
        rest = digests
        while rest:
            self._known.update(dict.fromkeys(rest, _ABSENT))
            found = {
                digest: (size, parts) for digest, size, parts in glances(self._values, sorted(rest))
            }
            self._known.update(found)
            rest = {part for _, parts in found.values() for part in parts} - self._known.keys()
        return self._known

    def _measured(self, digest: Digest) -> Measure:
        """Return the bytes that a value takes, ``None`` if it is not stored, and its parts."""
        known = self._known.get(digest)
        if known is None or (known[0] is None and known is not _ABSENT):
            found = self._stat(path(self._values.prefix, digest))
            parts = () if found is None else self._values.references(digest)
            known = self._known[digest] = (None if found is None else found.size, parts)
        return known


def _worth(cost_s: float | None, size: int) -> int:
    if not cost_s or cost_s < 0:
        return 0
    return min(int(cost_s * PICOSECONDS / max(size, 1)), MOST_WORTH)
