"""Bringing the calls of an archive into a cache."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

from fleche_like.backends.abilities import stat
from fleche_like.cache import Cache
from fleche_like.cache.abilities import SupportsManifests
from fleche_like.cache.composed import Composed
from fleche_like.cache.saving import UnitOfWork
from fleche_like.calls import DigestedCall
from fleche_like.codecs import Buffer
from fleche_like.errors import ConfigError, FlecheError, UntrustedArchive
from fleche_like.hashing import Digest
from fleche_like.maintenance.archives import layout
from fleche_like.maintenance.archives.frames import ArchiveFile, Frame
from fleche_like.maintenance.bulk import (
    BATCH,
    Used,
    require_writable,
    save_all,
)
from fleche_like.maintenance.moving import Sorted, sort_out
from fleche_like.maintenance.parts import result_of
from fleche_like.maintenance.spool import Spool
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.layout import path
from fleche_like.storage.replicate import FLUSH_BYTES, StorageSink
from fleche_like.storage.values import OVERWRITTEN_BYTES
from fleche_like.support.progress import Progress, progress


@dataclass
class Imported:
    """What became of an archive's content; of a dry run, what would have.

    Attributes:
        calls: that the cache did not have.
        replaced: calls that it had with another result, and has with this one now.
        present: calls that it had with the same result.
        refused: calls whose results the cache may not decode: ``trust="safe"`` takes no pickles.
        kept: calls that it has with another result, left alone without ``overwrite``.
        values: that were written.
        manifests: in the archive.
        size_bytes: of the values that were written.
    """

    calls: int = 0
    replaced: int = 0
    present: int = 0
    kept: int = 0
    refused: int = 0
    values: int = 0
    manifests: int = 0
    size_bytes: int = 0


def import_(
    cache: Cache,
    file: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    trust_unsigned: bool = False,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Imported:
    """Bring the calls of an archive into a cache.

    All of the archive is read and checked before anything is written: one that is cut short or
    altered changes nothing. Then a batch of calls commits at a time, values first, so that what
    is interrupted can be run again, and goes on. Memory stays flat.

    Nothing is decoded while importing. What is imported is believed later, though: a hit
    unpickles it, and returns it as the function's result. So import what you would run. A cache
    with keys takes archives alone that were exported with one of them, and signs what it takes.

    Args:
        cache: where the calls go.
        file: what :func:`~fleche_like.maintenance.export` wrote.
        overwrite: replace calls that the cache has with another result.
        trust_unsigned: let a cache with keys take an archive that none of them signed, and sign
            its content: whoever made the archive is believed from then on.
        dry_run: check the archive, and only count.
        show_progress: show a bar, if anybody sees it.

    Raises:
        ArchiveError: it is no sound archive; nothing was written.
        UntrustedArchive: the cache has keys, and none of them signed it.
        ReadOnlyError: the cache was opened read-only.
        ConfigError: its values are not kept as envelopes.
    """
    if not dry_run:
        require_writable(cache)
    values = _values_of(cache)
    with contextlib.closing(ArchiveFile(file)) as archive, Spool() as refused:
        end = _checked(archive, show_progress)
        sink = StorageSink(values)
        if sink.signer is not None and not trust_unsigned:
            _require_signature(archive, end, sink.signer)
        taker = _Taker(cache, archive, values, sink, refused, overwrite=overwrite, dry_run=dry_run)
        bar = progress("importing", range(end["calls"]), wanted=show_progress)
        with contextlib.closing(bar):
            taker.take(bar)
    return taker.done


def _values_of(cache: Cache) -> BackendValueStorage:
    """Return where a cache, or the one that a composition writes to, keeps its values."""
    if isinstance(cache, Composed) and cache.target is not None:
        return _values_of(cache.target)
    if not isinstance(cache.values, BackendValueStorage):
        raise ConfigError("an archive goes into a cache of sealed values", source="import_")
    return cache.values


def _checked(archive: ArchiveFile, show_progress: bool) -> dict[str, Any]:
    bar = progress("checking", (), wanted=show_progress)
    with contextlib.closing(bar):
        return archive.check(bar.update)


def _require_signature(archive: ArchiveFile, end: dict[str, Any], signer: Any) -> None:
    signature = end.pop("signature", None) or ""
    try:
        sealed = bytes.fromhex(signature)
        signer.verify(sealed, layout.SIGNED, "", [layout.end_bytes(end)])
    except (TypeError, ValueError, FlecheError) as problem:
        raise UntrustedArchive(
            f"{archive.path} is not trusted by this cache, which has keys: {problem}; "
            "trust_unsigned=True believes whoever made it",
            path=str(archive.path),
            reason=str(problem),
        ) from problem


class _Taker:
    """Writes the content of a checked archive."""

    def __init__(
        self,
        cache: Cache,
        archive: ArchiveFile,
        values: BackendValueStorage,
        sink: StorageSink,
        refused: Spool,
        *,
        overwrite: bool,
        dry_run: bool,
    ) -> None:
        self._cache = cache
        self._archive = archive
        self._storage = values
        self._sink = sink
        self._refused = refused
        self._overwrite = overwrite
        self._dry_run = dry_run
        self._together = UnitOfWork(values, cache.calls)
        self._begin()
        self.done = Imported()

    def _begin(self) -> None:
        self._values: dict[Digest, Buffer] = {}
        self._manifests: dict[Digest, dict[str, Digest]] = {}
        self._calls: list[DigestedCall] = []
        self._bytes = 0

    def take(self, bar: Progress) -> None:
        """Take all frames, and commit whenever they are many."""
        for frame in self._archive.frames():
            self._add(frame)
            if len(self._calls) >= BATCH or self._bytes >= FLUSH_BYTES:
                bar.update(len(self._calls))
                self._commit()
        bar.update(len(self._calls))
        self._commit()

    def _add(self, frame: Frame) -> None:
        if frame.kind == layout.VALUE:
            self._add_value(frame)
        elif frame.kind == layout.MANIFEST:
            self._manifests[frame.digest] = self._archive.manifest_of(frame)
        elif frame.kind == layout.CALL:
            self._add_call(self._archive.call_of(frame))

    def _add_call(self, call: DigestedCall) -> None:
        if result_of(call) is not None and Digest(call.result or "") in self._refused:
            self.done.refused += 1
        else:
            self._calls.append(call)

    def _add_value(self, frame: Frame) -> None:
        # A few bytes are written again sooner than asked for.
        small = len(frame.content) <= OVERWRITTEN_BYTES and not self._dry_run
        if small or not self._sink.contains(frame.digest):
            codec, data, _ = self._archive.value_of(frame, self._sink.signer)
            if not self._sink.accepts(codec):
                self._refused.update([frame.digest])
                return
            self._values[frame.digest] = data
            self._bytes += len(data)

    def _commit(self) -> None:
        found = sort_out(self._calls, self._cache)
        changed = [call for call, _ in found.other] if self._overwrite else []
        if not self._dry_run:
            with self._cache._operation_contexts([call.key for call in self._calls]):
                self._together.run(lambda: self._write([*found.new, *changed]))
                for call in changed:
                    self._cache.memory.discard(call.key)
        self._count(found, len(changed))
        self._begin()

    def _write(self, calls: list[DigestedCall]) -> None:
        if self._values:
            self._sink.put([*self._values.items()])
        storage = self._cache.calls
        if isinstance(storage, SupportsManifests):
            for code, parts in self._manifests.items():
                storage.save_manifest(code, parts)
        save_all(storage, calls, {call.key: self._usage(call) for call in calls})

    def _usage(self, call: DigestedCall) -> Used:
        """Return how large the result is; it counts as used now."""
        if call.result is None:
            return None, None
        if call.result in self._values:
            return len(self._values[call.result]), None
        values = self._storage
        found = stat(values.backend, path(values.prefix, call.result))
        return (None if found is None else found.size), None

    def _count(self, found: Sorted, changed: int) -> None:
        self.done.calls += len(found.new)
        self.done.present += len(found.same)
        self.done.replaced += changed
        self.done.kept += len(found.other) - changed
        self.done.values += len(self._values)
        self.done.size_bytes += self._bytes
        self.done.manifests += len(self._manifests)
