"""Removing values that nothing needs, while others write."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from fleche_like.backends import StorageStat, SupportsStat
from fleche_like.backends.abilities import delete_older, remove_empty, stat
from fleche_like.errors import ConfigError
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance.listing import by_bucket
from fleche_like.maintenance.marks import Marks
from fleche_like.maintenance.parts import CacheLike, values_of
from fleche_like.maintenance.roots import Roots
from fleche_like.maintenance.workers import workers
from fleche_like.storage.layout import path, shard
from fleche_like.storage.sealed import Mapped

BATCH: Final = 200
"""Values removed in one transaction: what other writers wait for, some 10 ms."""

T = TypeVar("T")
R = TypeVar("R")


class Swept(NamedTuple):
    """What became of some unused values.

    Attributes:
        removed: how many were removed, or would be.
        size_bytes: of these.
        young: how many stay because they were written or relied on a short time ago.
    """

    removed: int
    size_bytes: int
    young: int


class Sweeper:
    """Removes the values of a cache that no root needs.

    Args:
        cache: the cache.
        roots: what is needed, marked.
        before: nothing that was written since this moment is removed, in seconds since 1970.
        only: the digests that may go; any if left out.
        dry_run: remove nothing.
    """

    def __init__(
        self, cache: CacheLike, roots: Roots, before: float, only: Marks | None, *, dry_run: bool
    ) -> None:
        self._values = values_of(cache)
        self._backend = self._values.backend
        if not isinstance(self._backend, SupportsStat):
            raise ConfigError(
                f"{self._backend!r} cannot tell how old values are, so that none can be removed",
                source="gc",
            )
        self._calls = cache.calls
        self._roots = roots
        self._before = before
        self._only = only
        self._dry_run = dry_run
        self._needed: set[bytes] = set()
        self._bucket = ""

    def sweep(self) -> Iterator[Swept]:
        """Remove what is unused, bucket by bucket; yield once for each."""
        with workers(self._backend) as mapped:
            for bucket, digests in by_bucket(self._backend, self._values.prefix):
                self._bucket = bucket
                self._needed = self._roots.of(bucket)
                unused = self._unused(bucket, digests)
                done = Swept(0, 0, 0)
                while batch := list(itertools.islice(unused, BATCH)):
                    swept = self._sweep(batch, mapped)
                    done = Swept(*map(sum, zip(done, swept, strict=True)))
                yield done

    def _unused(self, bucket: str, digests: Iterable[Digest]) -> Iterator[Digest]:
        chosen = None if self._only is None else self._only.digests(bucket)
        if chosen is not None and not chosen:
            return
        for digest in digests:
            found = bytes.fromhex(digest)
            if found not in self._needed and (chosen is None or found in chosen):
                yield digest

    def _sweep(self, batch: Sequence[Digest], mapped: Mapped) -> Swept:
        sizes: dict[Digest, int] = {}
        young = 0
        for digest, found in zip(batch, mapped(self._stat, batch), strict=True):
            if found is not None and found.mtime < self._before:
                sizes[digest] = found.size
            elif found is not None:
                young += 1
        removed = list(sizes) if self._dry_run else self._retried(list(sizes), mapped)
        return Swept(len(removed), sum(sizes[digest] for digest in removed), young)

    def _retried(self, digests: list[Digest], mapped: Mapped) -> list[Digest]:
        if not digests:
            return []
        if not isinstance(self._calls, SqlCallStorage):
            return self._remove(digests, mapped)
        removed: list[Digest] = self._calls.retrying(lambda: self._remove(digests, mapped))
        for digest in removed:
            remove_empty(self._backend, shard(self._values.prefix, digest))
        return removed

    def _remove(self, digests: list[Digest], mapped: Mapped) -> list[Digest]:
        """Remove what is still unused; inside a transaction, in which nobody else stores a call.

        That is where calls are in SQLite. Elsewhere a value that a running writer relies on is
        young, and what is young stays.
        """
        self._roots.hold()
        if self._roots.catch_up():
            self._needed = self._roots.of(self._bucket)
        used = self._roots.used(digests)
        unused = [
            digest
            for digest in digests
            if digest not in used and bytes.fromhex(digest) not in self._needed
        ]
        gone = mapped(self._delete, unused)
        return [digest for digest, is_gone in zip(unused, gone, strict=True) if is_gone]

    def _stat(self, digest: Digest) -> StorageStat | None:
        return stat(self._backend, path(self._values.prefix, digest))

    def _delete(self, digest: Digest) -> bool:
        return delete_older(self._backend, path(self._values.prefix, digest), self._before)
