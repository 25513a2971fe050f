"""Rebuilding the index of a cache from the records of its calls."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from fleche_like.backends import ByteBackend
from fleche_like.database import Database
from fleche_like.index import SqlCallStorage
from fleche_like.index.rebuilding import Rebuilder
from fleche_like.support.progress import progress


@dataclass(frozen=True)
class Reindexed:
    """What a rebuilding found.

    Attributes:
        derived: calls whose rows were derived again, since the last interruption.
        adopted: records that had no rows and have some now.
        lost: calls that had no sound record and were removed; damaged ones are in quarantine.
    """

    derived: int
    adopted: int
    lost: int


def reindex(
    index: str | Path | Database,
    *,
    records: ByteBackend | None = None,
    show_progress: bool = True,
) -> Reindexed:
    """Rebuild the rows of an index from the records of its calls, while others use it.

    Can be interrupted at any moment: what is committed stays, and the next run goes on there.

    Args:
        index: the URL or file of the index, or its database.
        records: where the records are kept, if that is not in the index.
        show_progress: show a bar, if anybody sees it.

    Raises:
        SchemaOutdated: the schema is older, and not ours to upgrade.
        ReadOnlyError: the database was opened read-only.
        DatabaseError: it cannot be used.
    """
    database = index if isinstance(index, Database) else Database(index)
    with contextlib.ExitStack() as stack:
        if database is not index:
            stack.callback(database.close)
        storage = SqlCallStorage(database, records=records)
        stack.callback(storage.close)
        return _rebuilt(Rebuilder(storage, records), show_progress=show_progress)


def _rebuilt(rebuilder: Rebuilder, *, show_progress: bool) -> Reindexed:
    derived = lost = 0
    bar = progress("reindexing", range(rebuilder.begin()), wanted=show_progress)
    with contextlib.closing(bar):
        for step in rebuilder.steps():
            derived += step.derived
            lost += len(step.lost)
            bar.update(step.seen)
        adopted = sum(rebuilder.adopt())
    return Reindexed(derived, adopted, lost)
