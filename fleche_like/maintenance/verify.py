"""Looking whether a cache holds what it says: bytes, records, results, rows and parts."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from fleche_like.database import Database
from fleche_like.errors import ConfigError, DatabaseDamaged, ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.index.checking import Checked, Checker, complaints
from fleche_like.index.rebuilding import Rebuilder
from fleche_like.maintenance.contents import BATCH, Looked, checked
from fleche_like.maintenance.elsewhere import refuse_values_elsewhere
from fleche_like.maintenance.findings import Finding, Report, Verified
from fleche_like.maintenance.listing import by_bucket
from fleche_like.maintenance.marks import BUCKETS, Marks
from fleche_like.maintenance.parts import (
    CacheLike,
    Stored,
    opener_of,
    result_of,
    stored_calls,
    values_of,
)
from fleche_like.maintenance.repair import Outcome, Repair, Repairer
from fleche_like.maintenance.workers import workers
from fleche_like.storage.glances import glances, tells_parts
from fleche_like.storage.layout import CALLS
from fleche_like.storage.sealed import Mapped
from fleche_like.support.progress import progress

logger = logging.getLogger(__name__)

POSITION: Final = "upkeep/verify"
"""The key of what an interrupted verification had found."""


def verify(
    cache: CacheLike,
    *,
    repair: Repair | None = None,
    resume: bool = False,
    show_progress: bool = True,
) -> Verified:
    """Check every stored value and call of a cache, while others use it.

    These must hold: the checksums of every value and record; that every call's result is there, or
    said by its record; that every part of a value is there; that the rows of every call are those
    that follow from its record, and that no others are; for SQLite also that the file is a sound
    database. Nothing is decoded that could run code. In memory there are a few megabytes, and the
    largest value where it cannot be mapped.

    Can be interrupted at any moment. Without ``repair`` nothing is changed.

    Args:
        cache: the cache; of several used as one, each by itself.
        repair: a cache, a value storage or a byte backend with sound copies; what those lack is put
            aside. Or ``"quarantine"``: all that is damaged is. Rows are derived again in any case.
            Left out, nothing is changed.
        resume: note in the cache how far it is, and go on where an earlier run was interrupted
            that did so, too: what that had found counts, and values that it had read are not read
            again.
        show_progress: show bars, if anybody sees them.

    Raises:
        ConfigError: it is no cache with values in a byte backend of its own; or ``repair`` is none
            of these; or it is an index that was opened without its values, which are elsewhere.
        ReadOnlyError: ``repair`` or ``resume``, and the cache was opened read-only.
        OSError: a place cannot be reached.
    """
    with contextlib.ExitStack() as stack:
        verification = Verification(cache, repair, stack, resume=resume)
        try:
            refuse_values_elsewhere(cache, "verify")
            _run(verification, show_progress=show_progress)
        except DatabaseDamaged as damage:  # so far that it cannot be read
            verification.report.add(Finding("database", "", str(damage)))
        return verification.report.verified()


def _run(verification: Verification, *, show_progress: bool) -> None:
    verification.database()
    bar = progress("reading values", BUCKETS, wanted=show_progress)
    with contextlib.closing(bar):
        verification.contents(bar.update)
    bar = progress("looking at calls", (), wanted=show_progress)
    with contextlib.closing(bar):
        verification.calls(bar.update)
    verification.parts()
    verification.results()
    verification.done()


class Verification:
    """One verification, step by step, in this order.

    Args:
        cache: what is looked at.
        repair: what damage is mended with, if it is.
        stack: closes what was opened.
        resume: keep a note of how far it is.
    """

    def __init__(
        self,
        cache: CacheLike,
        repair: Repair | None,
        stack: contextlib.ExitStack,
        *,
        resume: bool = False,
    ) -> None:
        self.report = Report()
        self._cache = cache
        self._values = values_of(cache)
        self._tells_parts = tells_parts(self._values)
        if repair is cache:
            raise ConfigError("a cache cannot be repaired from itself", source="verify")
        if (repair is not None or resume) and getattr(cache, "read_only", False):
            raise ReadOnlyError(f"{cache!r} was opened read-only", url=getattr(cache, "url", ""))
        self._repairer = None if repair is None else Repairer(cache, repair)
        self._resume = resume
        # Values that are there; digests of results and parts with the key of who needs them.
        self._there, self._results, self._parts = Marks(), Marks(2), Marks(2)
        self._keys, self._gone = Marks(), Marks()
        for marks in (self._there, self._results, self._parts, self._keys, self._gone):
            stack.callback(marks.close)

    def database(self) -> None:
        """Ask SQLite whether the file is a sound database."""
        for database in self._databases():
            for message in complaints(database):
                self.report.add(Finding("database", "", message))

    def contents(self, seen: Callable[[int], object]) -> None:
        """Check the bytes of every value."""
        first = self._position() if self._resume else 0
        with workers(self._values.backend) as mapped:
            listed = by_bucket(self._values.backend, self._values.prefix)
            for number, (_, inside) in enumerate(listed):
                while digests := list(itertools.islice(inside, BATCH)):
                    if number < first:
                        self._seen_before(digests, mapped)
                        continue
                    for looked in checked(self._values, digests, mapped):
                        self._value(looked)
                if self._resume and number >= first:
                    self._note(number + 1)
                seen(1)

    def calls(self, seen: Callable[[int], object]) -> None:
        """Check records, and rows against them."""
        calls = self._cache.calls
        if isinstance(calls, SqlCallStorage):
            self._indexed(calls, seen)
            self._count_adoptable(calls)
            return
        for stored in stored_calls(calls, None):
            seen(1)
            self._call(stored)

    def parts(self) -> None:
        """Look whether all parts of values are there."""
        while self._mended_parts():
            pass  # what was put aside may have been a part itself

    def results(self) -> None:
        """Look whether all results are there."""
        for digest, key in self._absent(self._results):
            # Somebody may have evicted the call, or stored it anew.
            if not self._values.contains(digest) and self._cache.calls.contains(key):
                outcome = self._mended(lambda mend, d=digest, k=key: mend.result(k, d))
                self.report.add(Finding("result", key, f"its result {digest} is gone", outcome))

    def done(self) -> None:
        """Forget the note of an interrupted run."""
        if self._resume:
            self._values.backend.delete(POSITION)

    # --- values --------------------------------------------------------------------------------

    def _seen_before(self, digests: list[Digest], mapped: Mapped) -> None:
        self._there.add_all(digests)
        for digest, _, parts in glances(self._values, digests, mapped):
            self._needs(digest, parts)

    def _value(self, looked: Looked) -> None:
        digest, reason, parts = looked
        self.report.values += 1
        outcome: Outcome = "left"
        if reason:
            outcome = self._mended(lambda mend: mend.value(digest))
            self.report.add(Finding("value", digest, reason, outcome))
        if outcome != "quarantined":
            self._there.add(digest)
            if parts is None or self._tells_parts:
                # Also of what was mended since, or is not believed: as its first bytes tell.
                parts = self._values.references(digest)
            self._needs(digest, parts)

    def _needs(self, digest: Digest, parts: Sequence[Digest]) -> None:
        for part in dict.fromkeys(parts):
            self._parts.add(part, digest)

    def _absent(self, needed: Marks) -> Iterator[tuple[Digest, Digest]]:
        for bucket in BUCKETS:
            there = self._there.digests(bucket) - self._gone.digests(bucket)
            for wanted, by in needed.rows(bucket):
                if wanted not in there:
                    yield Digest(wanted.hex()), Digest(by.hex())

    def _mended_parts(self) -> bool:
        """Report values that lack a part; whether any was put aside."""
        any_gone = False
        for part, whole in self._absent(self._parts):
            if not self._values.contains(whole) or self._values.contains(part):
                continue
            outcome = self._mended(lambda mend, w=whole, p=part: mend.part(w, p))
            self.report.add(Finding("part", whole, f"its part {part} is not there", outcome))
            if outcome == "quarantined":
                self._gone.add(whole)
                any_gone = True
        return any_gone

    # --- calls ---------------------------------------------------------------------------------

    def _indexed(self, calls: SqlCallStorage, seen: Callable[[int], object]) -> None:
        checker = Checker(calls.database, calls.records, opener_of(calls))
        are_apart = calls.records is not None
        for page in checker.pages():
            for each in page.calls:
                if are_apart:
                    self._keys.add(each.key)
                if self._call(each) and not each.is_indexed:
                    self._rows(calls, each)
            for number in page.orphans:
                outcome = self._mended(lambda _, n=number: _rebuilder(calls).remove_orphans(n))
                self.report.add(Finding("orphan", "", f"rows of no call, {number}", outcome))
            seen(len(page.calls))

    def _call(self, stored: Stored | Checked) -> bool:
        """Check one call; whether its record is sound."""
        self.report.calls += 1
        if stored.call is None:
            if self._cache.calls.contains(stored.key):
                outcome = self._mended(lambda mend: mend.record(stored.key))
                self.report.add(Finding("record", stored.key, stored.reason, outcome))
            return False
        result = result_of(stored.call)
        if result is not None:
            self._results.add(result, stored.key)
        return True

    def _rows(self, calls: SqlCallStorage, each: Checked) -> None:
        outcome = self._mended(lambda _: _rebuilder(calls).derive(each.number))
        self.report.add(
            Finding("rows", each.key, "its rows do not follow from its record", outcome)
        )

    def _count_adoptable(self, calls: SqlCallStorage) -> None:
        if calls.records is None:
            return
        for bucket, keys in by_bucket(calls.records, CALLS):
            known = self._keys.digests(bucket)
            for key in keys:
                if bytes.fromhex(key) not in known and not calls.contains(key):
                    self.report.adoptable += 1

    # --- the rest ------------------------------------------------------------------------------

    def _mended(self, mend: Callable[..., Any]) -> Outcome:
        """Mend, if that is wanted; what does not say what it did has repaired."""
        if self._repairer is None:
            return "left"
        outcome: Outcome | None = mend(self._repairer)
        return "repaired" if outcome is None else outcome

    def _databases(self) -> list[Database]:
        backend = self._values.backend
        holders = (self._cache.calls, backend, getattr(backend, "small", None))
        found = (getattr(holder, "database", None) for holder in holders)
        return list({id(one): one for one in found if isinstance(one, Database)}.values())

    def _position(self) -> int:
        try:
            stored = json.loads(self._values.backend.get_bytes(POSITION))
            self.report.resume(stored["report"])
            return int(stored["bucket"])
        except KeyError:
            return 0
        except (ValueError, TypeError) as error:
            logger.warning("the note of an interrupted verification is of no use: %s", error)
            self.report = Report()
            return 0

    def _note(self, bucket: int) -> None:
        note = {"bucket": bucket, "report": self.report.as_json()}
        self._values.backend.put_bytes(POSITION, json.dumps(note).encode())


def _rebuilder(calls: SqlCallStorage) -> Rebuilder:
    return Rebuilder(calls, calls.records)
