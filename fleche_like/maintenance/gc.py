"""Removing what nothing needs: unused values, and what crashes left behind."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fleche_like.backends import abilities
from fleche_like.errors import ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.maintenance.elsewhere import refuse_values_elsewhere
from fleche_like.maintenance.leftovers import old_quarantine, orphaned_records, stages
from fleche_like.maintenance.marks import BUCKETS, Marks
from fleche_like.maintenance.parts import CacheLike, values_of
from fleche_like.maintenance.roots import Roots
from fleche_like.maintenance.sweeping import Sweeper
from fleche_like.support.progress import progress

logger = logging.getLogger(__name__)

GRACE: Final = timedelta(days=1)
"""What was written or relied on since then stays: longer than most functions run."""


@dataclass(frozen=True)
class Collected:
    """What a collection removed; in a dry run, what it would have removed.

    Attributes:
        calls: how many calls were looked at.
        values: unused values that went.
        size_bytes: their size.
        young: unused values that stayed, since they were written or relied on within the grace.
        records: records without rows and without a result, which crashes leave.
        adoptable: records without rows whose results are there: ``reindex`` takes them up.
        temporary: files of writers that were killed.
        stages: folders of files to upload, left by processes that are no more.
        quarantined: entries of the quarantine that were old enough.
        unreadable: calls without a sound record. While there are any nobody knows what they need,
            and no value is removed; ``verify`` tells more.
    """

    calls: int = 0
    values: int = 0
    size_bytes: int = 0
    young: int = 0
    records: int = 0
    adoptable: int = 0
    temporary: int = 0
    stages: int = 0
    quarantined: int = 0
    unreadable: int = 0


def gc(
    cache: CacheLike,
    *,
    grace: timedelta | float = GRACE,
    quarantine: timedelta | float | None = None,
    only: Iterable[Digest] | None = None,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Collected:
    """Remove the values that no call, manifest, name or other value needs, while others write.

    In memory there are a few megabytes, whatever the cache holds. Can be interrupted at any
    moment: what is removed was unused, and the next run finds the rest.

    Args:
        cache: the cache; of several used as one, each by itself.
        grace: what was written, or found there by a writer, within this time stays; in seconds
            if it is a number. Where calls are in SQLite, no result of a call is ever removed,
            however short it is. Elsewhere it must be longer than it takes to store a result and
            its call, hence some minutes, and longer than a function runs whose arguments shall be
            found with the call (in an embedded cache, running calls pin theirs).
        quarantine: remove what was put into quarantine longer ago than this; nothing if left out.
        only: digests of the values that may go, and nothing but values; all if left out.
        dry_run: remove nothing.
        show_progress: show bars, if anybody sees them.

    Raises:
        ReadOnlyError: the cache was opened read-only, and this is no dry run.
        ConfigError: it is no cache with values in a byte backend of its own; or an index that was
            opened without its values, which are elsewhere.
        OSError: a place cannot be reached.
    """
    if not dry_run and getattr(cache, "read_only", False):
        raise ReadOnlyError(f"{cache!r} was opened read-only", url=getattr(cache, "url", ""))
    refuse_values_elsewhere(cache, "gc")
    before = time.time() - _seconds(grace)
    with contextlib.ExitStack() as stack:
        chosen = None if only is None else _spooled(only, stack)
        roots = _marked(cache, stack, clean=not dry_run, show_progress=show_progress)
        if roots.unreadable:
            logger.warning("%s calls have no sound record: no value is removed", roots.unreadable)
            swept = (0, 0, 0)
        else:
            sweeper = Sweeper(cache, roots, before, chosen, dry_run=dry_run)
            swept = _swept(sweeper, show_progress=show_progress)
        found = Collected(roots.calls, *swept, unreadable=roots.unreadable)
        if chosen is not None:
            return found
        return _with_leftovers(found, cache, roots, before, quarantine, dry_run=dry_run)


def _marked(
    cache: CacheLike, stack: contextlib.ExitStack, *, clean: bool, show_progress: bool
) -> Roots:
    bar = progress("looking at calls", (), wanted=show_progress)
    with contextlib.closing(bar):
        roots = Roots(cache, bar.update, clean=clean)
        stack.callback(roots.close)
        roots.mark()
    return roots


def _swept(sweeper: Sweeper, *, show_progress: bool) -> tuple[int, int, int]:
    removed = size_bytes = young = 0
    bar = progress("looking at values", BUCKETS, wanted=show_progress)
    with contextlib.closing(bar):
        for step in sweeper.sweep():
            removed += step.removed
            size_bytes += step.size_bytes
            young += step.young
            bar.update(1)
    return removed, size_bytes, young


def _with_leftovers(
    found: Collected,
    cache: CacheLike,
    roots: Roots,
    before: float,
    quarantine: timedelta | float | None,
    *,
    dry_run: bool,
) -> Collected:
    values = values_of(cache)
    records, adoptable = orphaned_records(cache, roots.orphans, before, dry_run=dry_run)
    age_s = max(time.time() - before, 0.0)
    temporary = 0 if dry_run else abilities.sweep(values.backend, age_s)
    quarantined = 0
    if quarantine is not None:
        limit = time.time() - _seconds(quarantine)
        quarantined = old_quarantine(cache, limit, dry_run=dry_run)
    return Collected(
        found.calls,
        found.values,
        found.size_bytes,
        found.young,
        records,
        adoptable,
        temporary,
        stages(before, dry_run=dry_run),
        quarantined,
        found.unreadable,
    )


def _spooled(digests: Iterable[Digest], stack: contextlib.ExitStack) -> Marks:
    spool = Marks()
    stack.callback(spool.close)
    spool.add_all(digests)
    return spool


def _seconds(time_: timedelta | float) -> float:
    return time_.total_seconds() if isinstance(time_, timedelta) else float(time_)
