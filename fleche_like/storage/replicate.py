"""Copying values from one storage to another, or to wherever else sealed bytes go."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from fleche_like.backends import TieredBackend
from fleche_like.backends.abilities import put_many
from fleche_like.codecs import Buffer, Signer
from fleche_like.codecs.layout import damaged
from fleche_like.codecs.signing import refuse
from fleche_like.errors import CodecError, KeyNotFound, SaveError
from fleche_like.hashing import Digest
from fleche_like.storage.base import Intent, ValueStorage
from fleche_like.storage.divided import part_not_found
from fleche_like.storage.dividing import MOST_LEVELS
from fleche_like.storage.sealed import open_sealed, read_sealed
from fleche_like.storage.values import BackendValueStorage

logger = logging.getLogger(__name__)

DEEPEST: Final = MOST_LEVELS + 2
"""Values are put together from parts, these from parts again: deeper ones are not loaded either."""

FLUSH_BYTES: Final = 8 * 1024 * 1024
"""So many bytes are gathered before they are written together."""


@dataclass
class Copied:
    """What became of the values that were to be copied.

    Attributes:
        sizes: bytes of those that were copied.
        written: how many were written.
        size_bytes: bytes of these.
        lost: those that the source does not hold, or that are damaged there, each with the error.
    """

    sizes: dict[Digest, int] = field(default_factory=dict)
    written: int = 0
    size_bytes: int = 0
    lost: dict[Digest, Exception] = field(default_factory=dict)

    def lose(self, digest: Digest, why: Exception) -> None:
        """Take note that a value was not copied; its bytes are not kept alive by that."""
        self.lost[digest] = why.with_traceback(None)


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


class StorageSink:
    """A value storage as a sink.

    Args:
        values: where values go.
    """

    def __init__(self, values: BackendValueStorage) -> None:
        self._values = values
        self.signer = values.signer

    def accepts(self, codec: str) -> bool:
        """Return whether the storage may decode values of a codec."""
        return self._values.trusted is None or codec in self._values.trusted

    def contains(self, digest: Digest) -> bool:
        """Return whether a value is stored with all its parts, trusted where not all are.

        From now on it counts as just written, if that can be.
        """
        values = self._values
        with values._operation_context(digest, intent=Intent.WRITE):
            return values._is_kept_whole(digest)

    def put(self, items: Sequence[tuple[Digest, Buffer]]) -> None:
        """Write sealed values, together where the backend can do that."""
        values = self._values
        with values._operation_contexts([digest for digest, _ in items], intent=Intent.WRITE):
            put_many(values.backend, sorted((values._path(key), data) for key, data in items))


class SealedCopier:
    """Copies values as the bytes that they are sealed in, after a check; nothing is decoded.

    Args:
        source: where values are.
        sink: where they go.
    """

    def __init__(self, source: BackendValueStorage, sink: Sink) -> None:
        self._source = source
        self._sink = sink
        # Reading from a database costs less than asking whether the target has it.
        self._reads_first = isinstance(source.backend, TieredBackend)

    def copy(self, digests: Sequence[Digest], copied: Copied, levels: int = DEEPEST) -> None:
        """Copy values, each after the parts that it is put together from.

        Args:
            digests: each once.
            copied: takes what became of them.
            levels: how deep parts may have parts.
        """
        there, found = set(), set()

        def is_there(digest: Digest) -> bool:
            if self._sink.contains(digest):
                there.add(digest)
            return digest in there

        wanted = digests if self._reads_first else [each for each in digests if not is_there(each)]
        skip = is_there if self._reads_first else _none
        batch = _Batch(self._sink, copied)
        ready = functools.partial(self._ready, copied, levels)
        for digest, data in read_sealed(self._source, wanted, ready, skip=skip):
            found.add(digest)
            if data is not None:
                batch.add(digest, data)
        batch.flush()
        for digest in set(digests) - found - there:
            copied.lose(digest, KeyNotFound(f"value {digest} is not stored", key=digest))

    def _ready(self, copied: Copied, levels: int, digest: Digest, data: Buffer) -> Buffer | None:
        """Return what to write of a value whose parts were written; ``None`` if it cannot go."""
        try:
            opened = open_sealed(digest, data, self._source.signer, self._sink.signer)
            if not self._sink.accepts(opened.codec):
                refuse(digest, f"the codec {opened.codec!r} is not trusted there")
            self._copy_parts(digest, opened.parts, copied, levels)
        except CodecError as problem:
            logger.warning("value %s was not copied: %s", digest, problem)
            copied.lose(digest, problem)
            return None
        return opened.data

    def _copy_parts(
        self, whole: Digest, parts: Sequence[Digest], copied: Copied, levels: int
    ) -> None:
        """Copy the parts of a value.

        Raises:
            PartNotFound: one is not stored.
            CodecError: one is damaged, or not trusted.
        """
        if parts and not levels:
            raise damaged(whole, "its parts have parts that never end")
        if parts:
            self.copy([*dict.fromkeys(parts)], copied, levels - 1)
        for part in parts:
            why = copied.lost.get(part)
            if isinstance(why, CodecError):
                raise why
            if why is not None:
                raise part_not_found(whole, part) from why


def _none(_digest: Digest) -> bool:
    return False


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
        contains = target.contains if dry_run else getattr(target, "keep", target.contains)
        return [digest for digest in dict.fromkeys(digests) if not contains(digest)]

    def _copy_values(self, digests: Sequence[Digest], copied: Copied) -> None:
        for digest in self.absent(digests):
            try:
                self._target.save(self._source.load(digest), digest)
            except (KeyError, CodecError, SaveError) as problem:
                logger.warning("value %s was not copied: %s", digest, problem)
                copied.lose(digest, problem)
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


def copy_value(source: ValueStorage, target: ValueStorage, key: Digest) -> int:
    """Copy one stored value with its parts, those first; what is there already stays.

    Args:
        source: where it is.
        target: where it goes.
        key: its full digest.

    Returns:
        How many bytes were written, as far as that is known: see :class:`ValueCopier`.

    Raises:
        KeyNotFound: the source lacks the value (``PartNotFound``: a part of it).
        CodecError: it is damaged there.
        SaveError: it had to be sealed anew, and cannot be.
    """
    copied = ValueCopier(source, target).copy([key])
    if key in copied.lost:
        raise copied.lost[key]
    return copied.size_bytes
