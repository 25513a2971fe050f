"""Bytes by key: the contract of every backend, and what some of them can do beyond it.

A backend is a set of keys under one root URL. A key is a path of names joined by slashes; a prefix
is a container, which means whole names: ``g`` holds ``g/x``, never ``g.bin`` nor ``ga/x``. Backends
know nothing of digests, codecs or shards.

Path-level storages (files read and written by path) are faces over these backends and have their
own protocols, in :mod:`.paths`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeAlias, runtime_checkable

Buffer: TypeAlias = bytes | bytearray | memoryview


def as_bytes(data: Buffer) -> Buffer:
    """Return the same memory as a row of bytes: its length is its size, and a part of it is bytes.

    A view may have items of eight bytes, several dimensions, or gaps, which a copy closes.
    """
    if not isinstance(data, memoryview):
        return data
    if data.itemsize == 1 and data.ndim == 1 and data.contiguous:
        return data
    # No empty view can be cast.
    return data.cast("B") if data.c_contiguous and data.nbytes else data.tobytes()


class StorageStat(NamedTuple):
    """Size in bytes, and time of the last write in seconds since 1970 (UTC)."""

    size: int
    mtime: float


@runtime_checkable
class ByteBackend(Protocol):
    """Bytes by key under one root.

    Every method takes any spelling of a key that :func:`~fleche_like.backends.keys.normalise`
    takes, and raises :exc:`InvalidKey` for any other before anything is touched. A backend that
    cannot be reached raises :exc:`BackendUnavailable` or another OSError, and never claims that a
    key does not exist. Implementations may be used from many threads, survive a fork in the child,
    and can be pickled: the configuration travels, contents held in memory and connections do not.
    """

    @property
    def url(self) -> str:
        """The root's URL, without secrets."""

    def put_bytes(self, key: str, data: Buffer) -> None:
        """Store ``data`` under ``key``, replacing what was there.

        Atomic: a reader sees the old bytes or the new ones, whole, whatever becomes of the writer.

        Raises:
            InvalidKey: also where the place keeps containers apart and ``key`` is one of them, or
                goes through the key of stored bytes.
            OSError: the bytes could not be stored (``errno.ENOSPC``: no room); nothing has changed.
        """

    def get_bytes(self, key: str) -> bytes:
        """Return the bytes under ``key``.

        Raises:
            KeyNotFound: nothing is stored there; a container is nothing.
        """

    def exists(self, key: str) -> bool:
        """Return whether bytes are stored under ``key``; a container is not."""

    def delete(self, key: str) -> None:
        """Remove one key; silent if it is absent or a container."""

    def delete_prefix(self, prefix: str) -> None:
        """Remove every key inside a container: what ``list_prefix(recursive=True)`` yields."""

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        """Yield whole keys inside a container, sorted by code point, each once.

        Keys written or removed meanwhile may or may not be seen; all others are.

        Args:
            prefix: the container; empty is the root. One that does not exist holds nothing.
            recursive: yield every key at any depth, and no containers; otherwise the immediate
                children, of which containers end in a slash.
        """

    def ensure_prefix(self, prefix: str) -> None:
        """Make a container, where containers exist apart from keys; elsewhere do nothing."""

    def close(self) -> None:
        """Release connections and files. Idempotent."""


StorageBackend: TypeAlias = ByteBackend


@runtime_checkable
class SupportsParts(Protocol):
    """Can store bytes that lie in several pieces of memory, without joining them first."""

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        """Store the concatenation of ``parts``, as ``put_bytes`` does."""


@runtime_checkable
class SupportsOpen(Protocol):
    """Can hand out what is stored as a file."""

    def open_read(self, key: str) -> BinaryIO:
        """Open the bytes under ``key``: seekable, with ``readinto``, unbuffered. Close it.

        Goes on giving the bytes that were there when it was opened, if they are replaced.

        Raises:
            KeyNotFound: nothing is stored there.
        """


@runtime_checkable
class SupportsMap(Protocol):
    """Can put what is stored into memory without reading it."""

    def map_bytes(self, key: str) -> memoryview:
        """Map the bytes under ``key``, private and copy-on-write.

        Writes to the view reach neither the backend nor another view. It stays valid when the key
        is replaced or removed, and is unmapped with the last reference to it.

        Raises:
            KeyNotFound: nothing is stored there.
        """


@runtime_checkable
class SupportsStat(Protocol):
    """Knows sizes and times without reading."""

    def stat(self, key: str) -> StorageStat | None:
        """Return size and time of what is stored under ``key``; None if nothing is."""


@runtime_checkable
class SupportsRange(Protocol):
    """Can read a part of what is stored, at a cost that does not depend on the rest."""

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        """Return up to ``length`` bytes from ``offset`` on; all that follow if it is None.

        What lies beyond the end is empty.

        Raises:
            KeyNotFound: nothing is stored there.
            ValueError: ``offset`` or ``length`` is negative.
        """


@runtime_checkable
class SupportsBatch(Protocol):
    """Handles many keys at much less cost than one by one."""

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the keys that exist, as they were spelled, with their bytes, in any order."""

    def put_many(self, items: Iterable[tuple[str, Buffer]]) -> None:
        """Store many keys; each is atomic, and all of them if the backend has transactions."""


@runtime_checkable
class SupportsStarts(Protocol):
    """Can look at many keys at much less cost than one by one."""

    def get_starts(self, keys: Iterable[str], length: int) -> Iterator[tuple[str, int, bytes]]:
        """Yield the keys that exist, as they were spelled, with their size and first bytes.

        Args:
            keys: which; they come in any order.
            length: of how many bytes at most; what is shorter comes whole.
        """


@runtime_checkable
class SupportsAppend(Protocol):
    """Can add to what is stored without reading and writing all of it in the caller."""

    def append_bytes(self, key: str, data: Buffer) -> None:
        """Put ``data`` behind what is stored under ``key``, or store it if nothing is.

        Small records (up to 4 KB) of several threads and processes are never mixed or lost.

        Raises:
            InvalidKey, OSError: as ``put_bytes``.
        """


@runtime_checkable
class SupportsReplace(Protocol):
    """Can put bytes unless somebody else has, so that a read and a write lose nothing of others."""

    def fingerprint(self, key: str) -> tuple[str, int] | None:
        """Return what tells one version of the bytes from another, or None if there are none."""

    def replace(self, key: str, data: bytes, version: tuple[str, int] | None) -> bool:
        """Put bytes over those of one fingerprint; return whether that was done.

        Raises:
            InvalidKey, OSError: as ``put_bytes``.
        """


@runtime_checkable
class SupportsEmptyContainers(Protocol):
    """Keeps containers apart from keys, so that one may be left with nothing in it."""

    def remove_empty(self, prefix: str) -> None:
        """Remove a container if nothing is in it; silent otherwise, and for the root."""


@runtime_checkable
class SupportsTransaction(Protocol):
    """Can make several writes visible together."""

    def transaction(self) -> AbstractContextManager[Any]:
        """Return a context whose writes, of this thread, commit together when it ends.

        They are undone if it ends with an exception. Contexts nest; the outermost one counts.
        """


@runtime_checkable
class SupportsAge(Protocol):
    """Knows since when bytes are there, so that what is old can be told from what is in use."""

    def renew(self, key: str) -> bool:
        """Let what is stored count as written now; return whether anything is stored."""

    def delete_older(self, key: str, before: float) -> bool:
        """Remove a key if it was written or renewed before a moment, in seconds since 1970 (UTC).

        Returns:
            Whether nothing is stored there now.
        """


@runtime_checkable
class SupportsSweep(Protocol):
    """Writes through temporary files, which a killed process leaves behind."""

    def sweep(self, *, older_than_s: float = 3600.0) -> int:
        """Remove temporary files unchanged for so many seconds; return how many there were."""
