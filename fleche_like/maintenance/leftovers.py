"""What crashes leave behind, and what was put aside: records, stages, quarantine."""

from __future__ import annotations

from collections.abc import Iterator

from fleche_like.backends import ByteBackend
from fleche_like.backends.abilities import delete_older, stat
from fleche_like.backends.database import DatabaseBackend
from fleche_like.backends.stage import default_parent, remove_empty_stages
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance.marks import Marks
from fleche_like.maintenance.parts import CacheLike, opened, opener_of, result_of, values_of
from fleche_like.storage import CallStorage
from fleche_like.storage.layout import CALLS, QUARANTINE, path


def orphaned_records(
    cache: CacheLike, orphans: Marks, before: float, *, dry_run: bool
) -> tuple[int, int]:
    """Remove records that have no rows, if they are of no use.

    A writer killed between a record and its rows leaves one. Where its result is there, ``reindex``
    makes a call of it, and it stays.

    Returns:
        How many were removed (or would be), and how many stay.
    """
    removed = stay = 0
    records = _records_of(cache.calls)
    if records is None:
        return 0, 0
    for key in orphans.all():
        if not _is_old(records, path(CALLS, key), before):
            continue
        if _is_useful(cache, records, key):
            stay += 1
        elif dry_run or delete_older(records, path(CALLS, key), before):
            removed += 1
    return removed, stay


def old_quarantine(cache: CacheLike, before: float, *, dry_run: bool) -> int:
    """Remove what was put into quarantine before a moment; return how many entries."""
    backends = {id(backend): backend for backend in _places(cache)}
    return sum(_emptied(backend, before, dry_run=dry_run) for backend in backends.values())


def stages(before: float, *, dry_run: bool) -> int:
    """Remove folders of files to upload that hold none, and whose processes are no more.

    One that holds files is left alone: whoever opens the same place next uploads them.
    """
    try:
        parent = default_parent()
    except OSError:
        return 0  # somebody else's
    return remove_empty_stages(parent, before, dry_run=dry_run)


def _records_of(calls: CallStorage) -> ByteBackend | None:
    if not isinstance(calls, SqlCallStorage):
        return None
    return DatabaseBackend(calls.database) if calls.records is None else calls.records


def _places(cache: CacheLike) -> Iterator[ByteBackend]:
    yield values_of(cache).backend
    records = _records_of(cache.calls)
    if records is not None:
        small = getattr(values_of(cache).backend, "small", values_of(cache).backend)
        if getattr(small, "database", None) is not getattr(records, "database", records):
            yield records


def _emptied(backend: ByteBackend, before: float, *, dry_run: bool) -> int:
    count = 0
    for key in backend.list_prefix(QUARANTINE, recursive=True):
        if _is_old(backend, key, before):
            count += dry_run or delete_older(backend, key, before)
    return count


def _is_old(backend: ByteBackend, key: str, before: float) -> bool:
    found = stat(backend, key)
    return found is not None and found.mtime < before


def _is_useful(cache: CacheLike, records: ByteBackend, key: Digest) -> bool:
    try:
        call = opened(key, records.get_bytes(path(CALLS, key)), opener_of(cache.calls)).call
    except KeyError:
        return False
    if call is None:
        return False
    result = result_of(call)
    return result is None or cache.values.contains(result)
