"""Copying values from one storage to another, or to wherever else sealed bytes go."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from fleche_like.backends import TieredBackend
from fleche_like.backends.abilities import put_many
from fleche_like.codecs import Buffer, Signer, guard_of
from fleche_like.errors import CodecError, SaveError
from fleche_like.hashing import Digest
from fleche_like.maintenance.sealed import Opened, open_sealed, read_sealed, signing
from fleche_like.storage import BackendValueStorage, Intent, ValueStorage
from fleche_like.storage.layout import path

logger = logging.getLogger(__name__)

DEEPEST: Final = 1000
"""Values are put together from parts, these from parts again: so deep at most."""

FLUSH_BYTES: Final = 8 * 1024 * 1024
"""So many bytes are gathered before they are written together."""


@dataclass
class Copied:
    """What became of the values that were to be copied.

    Attributes:
        sizes: bytes of those that were copied.
        written: how many were written.
        size_bytes: bytes of these.
        lost: those that the source does not hold, or that are damaged there.
    """

    sizes: dict[Digest, int] = field(default_factory=dict)
    written: int = 0
    size_bytes: int = 0
    lost: set[Digest] = field(default_factory=set)


class Sink(Protocol):
    """Where sealed values go.

    Attributes:
        signer: what its envelopes are signed with; ``None`` if nothing is signed.
    """

    signer: Signer | None

    def accepts(self, codec: str, /) -> bool:
        """Return whether values of a codec may go there."""
        ...

    def contains(self, digest: Digest, /) -> bool:
        """Return whether a value is there, and may be relied on."""
        ...

    def put(self, items: Sequence[tuple[Digest, Buffer]], /) -> None:
        """Write sealed values; those before are written when it returns."""
        ...


def is_kept(values: ValueStorage, digest: Digest) -> bool:
    """Return whether a value is stored; from now on it counts as just written, if that can be."""
    keep: Callable[[Digest], bool] = getattr(values, "keep", values.contains)
    return keep(digest)


class StorageSink:
    """A value storage as a sink.

    Args:
        values: where values go.
    """

    def __init__(self, values: BackendValueStorage) -> None:
        self._values = values
        self.signer = values.signer
        self._guard = guard_of(values.signer, values.trusted)

    def accepts(self, codec: str) -> bool:
        """Return whether the storage may decode values of a codec."""
        return self._values.trusted is None or codec in self._values.trusted

    def contains(self, digest: Digest) -> bool:
        """Return whether a value is stored, and trusted where not all are."""
        values = self._values
        if not is_kept(values, digest):
            return False
        if self._guard is None:
            return True
        try:
            self._guard.check(values.backend.get_bytes(path(values.prefix, digest)), digest)
        except (KeyError, CodecError):
            return False
        return True

    def put(self, items: Sequence[tuple[Digest, Buffer]]) -> None:
        """Write sealed values, together where the backend can do that."""
        values = self._values
        with values._operation_contexts([digest for digest, _ in items], intent=Intent.WRITE):
            put_many(
                values.backend, sorted((path(values.prefix, key), data) for key, data in items)
            )


class SealedCopier:
    """Copies values as the bytes that they are sealed in, after a check; nothing is decoded.

    Args:
        source: where values are.
        sink: where they go.
    """

    def __init__(self, source: BackendValueStorage, sink: Sink) -> None:
        self._source = source
        self._sink = sink
        self._signer = signing(source)
        # Reading from a database costs less than asking whether the target has it.
        self._reads_first = isinstance(source.backend, TieredBackend)

    def copy(self, digests: Sequence[Digest], copied: Copied, depth: int = DEEPEST) -> None:
        """Copy values, each after the parts that it is put together from.

        Args:
            digests: each once.
            copied: takes what became of them.
            depth: how deep parts may go.
        """
        there = set()
        if not self._reads_first:
            there = {digest for digest in digests if self._sink.contains(digest)}

        def skip(digest: Digest) -> bool:
            if self._reads_first and self._sink.contains(digest):
                there.add(digest)
            return digest in there

        found = set()
        batch = _Batch(self._sink, copied)
        for digest, data in read_sealed(self._source, [*digests], skip):
            opened = self._opened(digest, data, copied, depth)
            if opened is not None:
                found.add(digest)
                batch.add(digest, opened)
        batch.flush()
        copied.lost.update(set(digests) - found - there)

    def _opened(self, digest: Digest, data: Buffer, copied: Copied, depth: int) -> Buffer | None:
        """Return what to write of a value whose parts were written; ``None`` if it cannot go."""
        try:
            opened = open_sealed(digest, data, self._signer, self._sink.signer)
        except CodecError as damage:
            logger.warning("value %s is damaged and was not copied: %s", digest, damage)
            return None
        if not self._sink.accepts(opened.codec):
            logger.warning("value %s was not copied: %s is not trusted", digest, opened.codec)
            return None
        return opened.data if self._has_parts(opened, copied, depth) else None

    def _has_parts(self, opened: Opened, copied: Copied, depth: int) -> bool:
        if not opened.parts:
            return True
        if depth:
            self.copy(opened.parts, copied, depth - 1)
        return depth > 0 and copied.lost.isdisjoint(opened.parts)


class ValueCopier:
    """Copies values from one storage to another.

    Where both seal with the same codec, sealed bytes are copied; elsewhere each value is loaded
    and saved again.

    Args:
        source: where values are.
        target: where they go.
    """

    def __init__(self, source: ValueStorage, target: ValueStorage) -> None:
        self._source = source
        self._target = target
        self._sealed: SealedCopier | None = None
        if (
            isinstance(source, BackendValueStorage)
            and isinstance(target, BackendValueStorage)
            and source.codec.name == target.codec.name
        ):
            self._sealed = SealedCopier(source, StorageSink(target))

    def copy(self, digests: Iterable[Digest]) -> Copied:
        """Copy values; what is lost is reported and not raised.

        Returns only once all that could be copied is written (where the target is in a
        transaction: into that).
        """
        copied = Copied()
        wanted = [*dict.fromkeys(digests)]
        if self._sealed is not None:
            self._sealed.copy(wanted, copied)
        else:
            self._copy_values(wanted, copied)
        return copied

    def absent(self, digests: Iterable[Digest], *, dry_run: bool = False) -> list[Digest]:
        """Return those values that the target does not have; it keeps the others, if it can."""
        target = self._target
        contains = target.contains if dry_run else functools.partial(is_kept, target)
        return [digest for digest in dict.fromkeys(digests) if not contains(digest)]

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

    def __init__(self, sink: Sink, copied: Copied) -> None:
        self._sink = sink
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
        if self._items:
            self._sink.put(self._items)
            self._copied.written += len(self._items)
            self._copied.size_bytes += self._bytes
            self._items, self._bytes = [], 0
