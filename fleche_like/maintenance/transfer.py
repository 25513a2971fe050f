"""Taking calls with all that belongs to them from one cache to another."""

from __future__ import annotations

import contextlib

from fleche_like.cache import Cache
from fleche_like.maintenance.bulk import in_batches, require_writable
from fleche_like.maintenance.moving import Mover, Transferred, pop_calls, refuse_same
from fleche_like.maintenance.selecting import Selected, bar, calls_of, query_of


def transfer(
    source: Cache,
    target: Cache,
    query: Selected = None,
    *,
    pop: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Transferred:
    """Copy calls with their results, stored arguments, parts and code manifests.

    A batch of calls commits at a time, values first: whenever this is interrupted, the target has
    whole calls, and running it again goes on. What is there already is not written again.

    Sealed bytes are copied as they are, unpickling nothing, where both caches seal alike; elsewhere
    each value is loaded and saved again.

    Args:
        source: where the calls are.
        target: where they go.
        query: which ones: a query of ``source``, a template, or all of them.
        pop: evict each call from ``source`` once ``target`` has committed it. Values stay there
            until they are collected.
        overwrite: replace calls that ``target`` has with another result.
        dry_run: only count.
        show_progress: show a bar, if anybody sees it.

    Raises:
        ReadOnlyError: ``target`` was opened read-only; or ``source``, with ``pop``.
        ConfigError: both are the same cache.
        QueryError: the query is another cache's.
    """
    if not dry_run:
        require_writable(target, *([source] if pop else []))
    refuse_same(source, target)
    asked = query_of(source, query)
    mover = Mover(source, target, wins=lambda _, __: overwrite, dry_run=dry_run)
    with contextlib.closing(bar("transferring", asked, wanted=show_progress)) as shown:
        for batch in in_batches(calls_of(asked)):
            moved = mover.move(batch)
            if pop and not dry_run:
                mover.done.popped += pop_calls(source, moved)
            shown.update(len(batch))
    return mover.done
