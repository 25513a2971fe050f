"""Giving stored calls the keys that they have after a harmless change of their function."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from fleche_like.cache import Cache
from fleche_like.cache.saving import UnitOfWork
from fleche_like.calls import DigestedCall
from fleche_like.errors import ConfigError
from fleche_like.hashing import Digest
from fleche_like.maintenance.bulk import (
    in_batches,
    require_writable,
    save_all,
    stored,
    usages_of,
)
from fleche_like.maintenance.changes import Change
from fleche_like.maintenance.journal import Journal, Line, read_journal
from fleche_like.maintenance.selecting import Selected, calls_of, query_of
from fleche_like.maintenance.spool import Spool
from fleche_like.storage.sealed import signing
from fleche_like.support.progress import progress

BATCH: Final = 1000
"""Calls in one transaction."""

JOURNALS: Final = "journals"
"""In the folder of an embedded cache."""


@dataclass
class Rekeyed:
    """What became of the calls; of a dry run, what would have.

    Attributes:
        changed: calls that have a new key.
        merged: calls that were there under the new key already, with the same result.
        kept: calls that stay under their old key, since there is another result under the new.
        journal: the file that undoes it; ``None`` of a dry run and of an undoing.
    """

    changed: int = 0
    merged: int = 0
    kept: int = 0
    journal: str | None = None


def rekey(
    cache: Cache,
    change: Change,
    *,
    query: Selected = None,
    journal: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Rekeyed:
    """Give calls the keys that they have after a change, so that they go on to be hits.

    Whether results stay right is not looked at: that is what the change claims. A new record is
    written before the old one is evicted, and both in one transaction where the storage has them.
    Whenever this is interrupted, each call is there under its old or its new key, and running it
    again goes on. A journal is written ahead; :func:`undo_rekey` takes it back.

    Args:
        cache: where the calls are.
        change: a :class:`~fleche_like.maintenance.Rename`,
            :class:`~fleche_like.maintenance.AddArgument` or
            :class:`~fleche_like.maintenance.AcceptCode`.
        query: only these calls: a query of ``cache``, or a template.
        journal: the journal's file; by default one in the folder of an embedded cache, the same
            for the same change. Any other cache needs one to be named.
        dry_run: only count.
        show_progress: show a bar, if anybody sees it.

    Raises:
        ReadOnlyError: the cache was opened read-only.
        ConfigError: no journal was named, and there is no folder for one.
        ArchiveError: the journal is that of another change.
        QueryError: the query is another cache's.
    """
    if not dry_run:
        require_writable(cache)
    asked = query_of(cache, change.template() if query is None else query)
    done = Rekeyed()
    book = None
    if not dry_run:
        file = _journal(cache, change, journal)
        book = Journal(file, change.described(), signing(cache.calls))
    with Spool() as keys:
        for batch in in_batches(calls_of(asked)):
            keys.update(call.key for call in batch if change.apply(call) is not None)
        changer = _Changer(cache, change, book, done)
        with contextlib.closing(progress("rekeying", keys, wanted=show_progress)) as bar:
            for some in in_batches(keys, BATCH):
                changer.change(some)
                bar.update(len(some))
    done.journal = None if book is None else str(book.path)
    return done


def _journal(cache: Cache, change: Change, journal: str | os.PathLike[str] | None) -> Path:
    if journal is not None:
        return Path(journal)
    if cache.folder is None:
        raise ConfigError("say where the journal goes: this cache has no folder", source="rekey")
    told = json.dumps(change.described(), sort_keys=True).encode()
    return cache.folder / JOURNALS / f"rekey-{hashlib.sha256(told).hexdigest()[:12]}.jsonl"


class _Move(NamedTuple):
    """A call, and what it is to be."""

    old: DigestedCall
    new: DigestedCall
    merged: bool


class _Changer:
    """Changes batches of calls."""

    def __init__(
        self, cache: Cache, change: Change, journal: Journal | None, done: Rekeyed
    ) -> None:
        self._cache = cache
        self._change = change
        self._journal = journal
        self._done = done

    def change(self, keys: Sequence[Digest]) -> None:
        """Change the calls of some keys, in one transaction where that is possible."""
        moves = self._moves(keys)
        if self._journal is not None and moves:
            self._journal.add(Line(move.old, move.new.key, move.merged) for move in moves)
            both = {key for move in moves for key in (move.old.key, move.new.key)}
            with self._cache._operation_contexts(both):
                _together(self._cache, lambda: self._write(moves))
        merged = sum(move.merged for move in moves)
        self._done.merged += merged
        self._done.changed += len(moves) - merged

    def _moves(self, keys: Sequence[Digest]) -> list[_Move]:
        moves = []
        for key in keys:
            old = stored(self._cache, key)
            new = None if old is None else self._change.apply(old)
            if old is None or new is None or new.key == key:
                continue
            there = stored(self._cache, new.key)
            if there is not None and there.result != new.result:
                self._done.kept += 1
            else:
                moves.append(_Move(old, new, merged=there is not None))
        return moves

    def _write(self, moves: Sequence[_Move]) -> None:
        for digest, value in self._change.values().items():
            self._cache.values.save(value, digest)
        usages = usages_of(self._cache.calls, [move.old.key for move in moves])
        new = [move for move in moves if not move.merged]
        known = {m.new.key: usages[m.old.key] for m in new if m.old.key in usages}
        save_all(self._cache.calls, [move.new for move in new], known)
        for move in moves:
            self._cache.evict(move.old.key)


def undo_rekey(
    cache: Cache,
    journal: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Rekeyed:
    """Give calls back the keys that they had before a change.

    Calls are restored as they were. Those that were evicted since stay away; results that were
    computed since under new keys stay there. Interrupted, it goes on when it is run again.

    Args:
        cache: where the calls are.
        journal: what the change wrote. Unless calls are signed, whoever can write to it says which
            results are restored.
        dry_run: only count.
        show_progress: show a bar, if anybody sees it.

    Returns:
        ``changed``: calls that are back; ``kept``: those whose result was computed anew.

    Raises:
        ArchiveError: this is no journal.
        ReadOnlyError: the cache was opened read-only.
    """
    if not dry_run:
        require_writable(cache)
    done = Rekeyed()
    with contextlib.closing(progress("undoing", (), wanted=show_progress)) as bar:
        for lines in in_batches(read_journal(Path(journal), signing(cache.calls)), BATCH):
            _undo(cache, lines, done, dry_run=dry_run)
            bar.update(len(lines))
    return done


def _undo(cache: Cache, lines: Sequence[Line], done: Rekeyed, *, dry_run: bool) -> None:
    back: dict[Digest, Line] = {}
    for line in lines:
        there = stored(cache, line.new)
        if there is None or stored(cache, line.old.key) is not None:
            continue  # evicted since, or back already
        if there.result != line.old.result:
            done.kept += 1
            continue
        back[line.old.key] = line

    def write() -> None:
        usages = usages_of(cache.calls, [line.new for line in back.values()])
        known = {key: usages[line.new] for key, line in back.items() if line.new in usages}
        save_all(cache.calls, [line.old for line in back.values()], known)
        for line in back.values():
            if not line.merged:
                cache.evict(line.new)

    if back and not dry_run:
        with cache._operation_contexts({*back, *(line.new for line in back.values())}):
            _together(cache, write)
    done.changed += len(back)


def _together(cache: Cache, write: Callable[[], None]) -> None:
    UnitOfWork(cache.values, cache.calls).run(write)
