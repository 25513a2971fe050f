"""Making two caches hold the same calls."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from fleche_like.cache import Cache
from fleche_like.calls import DigestedCall, QueryCall
from fleche_like.errors import QueryError
from fleche_like.maintenance.bulk import in_batches, require_writable
from fleche_like.maintenance.moving import Mover, Transferred, refuse_same
from fleche_like.maintenance.selecting import bar, calls_of
from fleche_like.memo.ages import end_of
from fleche_like.query import Query


@dataclass(frozen=True)
class Synced:
    """What a synchronisation did in each direction.

    Attributes:
        to_second: what went from the first cache to the second.
        to_first: what went from the second to the first.
    """

    to_second: Transferred
    to_first: Transferred


def sync(
    first: Cache,
    second: Cache,
    query: QueryCall | None = None,
    *,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Synced:
    """Copy to each cache the calls that only the other one has.

    Where both have a call with different results, the one that was computed later wins: as their
    metadata say when they ended; else, so that both sides end up the same, the larger digest.

    A cache keeps no trace of what was evicted from it. So a call that one side evicted comes back
    from the other: evict it from both.

    Commits batch by batch, values first; run again after an interruption, it goes on.

    Args:
        first: a cache.
        second: another one.
        query: which calls: those that match a template, or all.
        dry_run: only count.
        show_progress: show a bar, if anybody sees it.

    Raises:
        ReadOnlyError: one was opened read-only.
        ConfigError: both are the same cache.
        QueryError: ``query`` is no template.
    """
    if not dry_run:
        require_writable(first, second)
    refuse_same(first, second)
    if query is not None and not isinstance(query, QueryCall):
        raise QueryError("two caches are asked: a template is wanted, not the query of one")
    options = {"dry_run": dry_run, "show_progress": show_progress}
    return Synced(
        _one_way(first, second, query, **options), _one_way(second, first, query, **options)
    )


def _one_way(
    source: Cache, target: Cache, query: QueryCall | None, *, dry_run: bool, show_progress: bool
) -> Transferred:
    mover = Mover(source, target, wins=is_newer, dry_run=dry_run)
    asked: Query = source.query(query)
    with contextlib.closing(bar("synchronising", asked, wanted=show_progress)) as shown:
        for batch in in_batches(calls_of(asked)):
            mover.move(batch)
            shown.update(len(batch))
    return mover.done


def is_newer(call: DigestedCall, other: DigestedCall) -> bool:
    """Return whether of two calls of one key the first was computed later."""
    return _age(call) > _age(other)


def _age(call: DigestedCall) -> tuple[float, str]:
    return ended(call), call.result or ""


def ended(call: DigestedCall) -> float:
    """Return when the body of a call returned, in seconds since 1970; 0 if that is not known."""
    runtime = call.metadata.get("runtime")
    return end_of(runtime) if isinstance(runtime, Mapping) else 0.0
