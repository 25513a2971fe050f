"""Marking what is in use: values that calls, manifests, names and other values need."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from fleche_like.backends import ByteBackend
from fleche_like.backends.database import DatabaseBackend
from fleche_like.cache.pins import pinned
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance.listing import by_bucket
from fleche_like.maintenance.marks import BUCKETS, Marks
from fleche_like.maintenance.parts import (
    CacheLike,
    Stored,
    named_by,
    opened,
    opener_of,
    stored_calls,
    uses_of,
    values_of,
)
from fleche_like.maintenance.workers import workers
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.glances import glances
from fleche_like.storage.layout import CALLS, path
from fleche_like.storage.names import NAMES
from fleche_like.storage.sealed import Mapped

BATCH: Final = 200
"""Values of which the first bytes are in memory at once."""

_DIGESTS: Final = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


class Roots:
    """Marks, in a file, the digests that a cache needs.

    Args:
        cache: the cache.
        seen: told how many calls were looked at.
        clean: remove the pins of dead processes.

    Attributes:
        calls: how many calls there are.
        unreadable: calls whose records are gone or damaged; nobody knows what they need.
        orphans: records without rows, which ``reindex`` would take up.
    """

    def __init__(
        self, cache: CacheLike, seen: Callable[[int], object], *, clean: bool = False
    ) -> None:
        self._cache = cache
        self._folder: Path | None = getattr(cache, "folder", None)
        self._clean = clean
        self._values = values_of(cache)
        self._seen = seen
        self._uses = uses_of(cache.calls)
        self._open = opener_of(cache.calls)
        self._marks = Marks()
        self._keys = Marks()
        self._position = 0
        self.calls = 0
        self.unreadable = 0
        self.orphans = Marks()

    def mark(self) -> None:
        """Mark everything that is needed now."""
        self._position = 0 if self._uses is None else self._uses.newest()
        self._mark_calls(stored_calls(self._cache.calls, self._uses))
        self._mark_orphans()
        if self._uses is not None:
            self._marks.add_all(self._uses.of_manifests())
        self._marks.add_all(named(self._values.backend))
        self._marks.add_all(self._pinned(clean=self._clean))
        self._marks = with_parts(self._values, self._marks)

    def of(self, bucket: str) -> set[bytes]:
        """Return what is needed among the digests that begin so."""
        return self._marks.digests(bucket)

    def catch_up(self) -> bool:
        """Mark what calls need that were stored since, as far as their ids tell; whether any."""
        if self._uses is None:
            return False
        before, self._position = self._position, self._uses.newest()
        if self._position <= before:
            return False
        new = Marks()
        for stored in stored_calls(self._cache.calls, self._uses, before):
            if stored.call is not None:
                new.add_all(named_by(stored.call))
        new = with_parts(self._values, new)
        self._marks.add_all(new.all())
        new.close()
        return True

    def used(self, digests: list[Digest]) -> set[Digest]:
        """Return which of some digests calls name now, as the indexes say, or running calls do."""
        found = set() if self._uses is None else self._uses.used(digests)
        return found | self._pinned()

    def _pinned(self, *, clean: bool = False) -> set[Digest]:
        return set() if self._folder is None else pinned(self._folder, clean=clean)

    def hold(self) -> None:
        """Inside a transaction: let nobody else write, where that is how writers are kept apart."""
        if self._uses is not None:
            self._uses.hold()

    def close(self) -> None:
        """Forget everything."""
        for spool in (self._marks, self._keys, self.orphans):
            spool.close()

    def _mark_calls(self, calls: Iterable[Stored]) -> None:
        for stored in calls:
            self.calls += 1
            self._seen(1)
            self._keys.add(stored.key)
            if stored.call is None:
                self.unreadable += 1
            else:
                self._marks.add_all(named_by(stored.call))

    def _mark_orphans(self) -> None:
        calls = self._cache.calls
        if not isinstance(calls, SqlCallStorage):
            return
        records = DatabaseBackend(calls.database) if calls.records is None else calls.records
        for bucket, keys in by_bucket(records, CALLS):
            known = None
            for key in keys:
                known = self._keys.digests(bucket) if known is None else known
                if bytes.fromhex(key) not in known and not calls.contains(key):
                    self._mark_orphan(records, key)

    def _mark_orphan(self, records: ByteBackend, key: Digest) -> None:
        try:
            call = opened(key, records.get_bytes(path(CALLS, key)), self._open).call
        except KeyError:
            return  # evicted since
        self.orphans.add(key)
        if call is not None:
            self._marks.add_all(named_by(call))


def named(backend: ByteBackend) -> Iterator[Digest]:
    """Yield whatever could be a digest in the entries under ``names/``: rather one too many."""
    for key in backend.list_prefix(NAMES, recursive=True):
        try:
            data = backend.get_bytes(key)
        except KeyError:
            continue  # removed since
        yield from (Digest(found.decode()) for found in _DIGESTS.findall(data))


def with_parts(values: BackendValueStorage, marks: Marks) -> Marks:
    """Return marks and those of all parts that their values are put together from.

    The given marks are closed.
    """
    done, frontier, count = Marks(), marks, 1
    with workers(values.backend) as mapped:
        while count:
            parts, count = Marks(), 0
            for bucket in BUCKETS:
                new = frontier.digests(bucket) - done.digests(bucket)
                for part in _parts_of(values, new, mapped):
                    parts.add(part)
                    count += 1
                done.add_all(found.hex() for found in new)
            frontier.close()
            frontier = parts
    frontier.close()
    return done


def _parts_of(
    values: BackendValueStorage, found: Iterable[bytes], mapped: Mapped
) -> Iterator[Digest]:
    rest = iter(sorted(found))
    while batch := [Digest(each.hex()) for each in itertools.islice(rest, BATCH)]:
        for glance in glances(values, batch, mapped):
            yield from glance.parts
