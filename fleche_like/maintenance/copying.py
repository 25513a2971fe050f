"""Copying values from one storage to another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fleche_like.backends import TieredBackend
from fleche_like.codecs import Buffer
from fleche_like.errors import CodecError, SaveError
from fleche_like.hashing import Digest
from fleche_like.maintenance.sealed import (
    FLUSH_BYTES,
    can_exchange,
    codec_of,
    parts_of,
    read_sealed,
    write_sealed,
)
from fleche_like.storage import BackendValueStorage, Intent, ValueStorage

logger = logging.getLogger(__name__)

DEEPEST: Final = 1000
"""Values are put together from parts, these from parts again: so deep at most."""


@dataclass
class Copied:
    """What became of the values that were to be copied.

    Attributes:
        sizes: bytes of those that were copied or are there, as far as they are known.
        written: how many were written.
        size_bytes: bytes of these.
        lost: those that the source does not hold, or that are damaged there.
    """

    sizes: dict[Digest, int] = field(default_factory=dict)
    written: int = 0
    size_bytes: int = 0
    lost: set[Digest] = field(default_factory=set)


class ValueCopier:
    """Copies values with the parts that they are put together from.

    Where both storages seal values in the same way, the sealed bytes are copied after a check of
    their checksums, and nothing is decoded. Elsewhere each value is loaded and saved again.

    Args:
        source: where values are.
        target: where they go.
    """

    def __init__(self, source: ValueStorage, target: ValueStorage) -> None:
        self._source = source
        self._target = target
        self.copies_bytes = can_exchange(source, target)

    def copy(self, digests: Iterable[Digest]) -> Copied:
        """Copy values; what is lost is reported and not raised.

        Returns only once all that could be copied is written (where the target is in a
        transaction: into that).
        """
        copied = Copied()
        wanted = [*dict.fromkeys(digests)]
        if self.copies_bytes:
            self._copy_bytes(wanted, copied, DEEPEST)
        else:
            self._copy_values(wanted, copied)
        return copied

    def absent(self, digests: Iterable[Digest]) -> list[Digest]:
        """Return those values that the target does not have."""
        contains = self._target.contains
        return [digest for digest in dict.fromkeys(digests) if not contains(digest)]

    def _copy_bytes(self, digests: Sequence[Digest], copied: Copied, depth: int) -> None:
        source, target = self._source, self._target
        assert isinstance(source, BackendValueStorage)
        assert isinstance(target, BackendValueStorage)
        batch = _Batch(target, copied)
        there: set[Digest] = set()
        skip = _noting(target.contains, there)
        wanted = digests if isinstance(source.backend, TieredBackend) else self.absent(digests)
        there.update(set(digests).difference(wanted))
        found = set()
        for digest, data in read_sealed(source, wanted, skip):
            if self._is_sound(digest, data, copied, depth):
                found.add(digest)
                batch.add(digest, data)
        batch.flush()
        copied.lost.update(set(digests) - found - there)

    def _is_sound(self, digest: Digest, data: Buffer, copied: Copied, depth: int) -> bool:
        """Whether a value can go as it is; its parts have gone then."""
        try:
            parts = parts_of(self._source, digest, codec_of(digest, data))
        except CodecError as damage:
            logger.warning("value %s is damaged and was not copied: %s", digest, damage)
            return False
        if parts:
            if depth == 0:
                return False
            self._copy_bytes(parts, copied, depth - 1)
        return copied.lost.isdisjoint(parts)

    def _copy_values(self, digests: Sequence[Digest], copied: Copied) -> None:
        for digest in self.absent(digests):
            try:
                self._target.save(self._source.load(digest), digest)
            except (KeyError, CodecError, SaveError) as problem:
                logger.warning("value %s was not copied: %s", digest, problem)
                copied.lost.add(digest)
            else:
                copied.written += 1


class _Batch:
    """Gathers sealed values, and writes them when they are many bytes."""

    def __init__(self, target: BackendValueStorage, copied: Copied) -> None:
        self._target = target
        self._copied = copied
        self._items: list[tuple[Digest, Buffer]] = []
        self._bytes = 0

    def add(self, digest: Digest, data: Buffer) -> None:
        self._items.append((digest, data))
        self._bytes += len(data)
        self._copied.sizes[digest] = len(data)
        if self._bytes >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        if not self._items:
            return
        keys = [digest for digest, _ in self._items]
        with self._target._operation_contexts(keys, intent=Intent.WRITE):
            write_sealed(self._target, self._items)
        self._copied.written += len(self._items)
        self._copied.size_bytes += self._bytes
        self._items, self._bytes = [], 0


def _noting(contains: Callable[[Digest], bool], there: set[Digest]) -> Callable[[Digest], bool]:
    def skip(digest: Digest) -> bool:
        if contains(digest):
            there.add(digest)
            return True
        return False

    return skip
