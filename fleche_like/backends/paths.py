"""Files by path: the contract of path-level storages, plain and asynchronous.

A path is a key of the byte backend underneath, in any spelling that keys may have; a folder is a
container. Implementations here are faces over byte backends: :mod:`.storages`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fleche_like.backends.base import Buffer, StorageStat


@runtime_checkable
class Storage(Protocol):
    """Files by relative path under one root.

    Every method raises :exc:`InvalidKey` for a path that could leave the root, before anything is
    touched, and :exc:`BackendUnavailable` or another OSError where the place cannot be reached.
    Usable from many threads; can be pickled: the configuration travels, what is staged does not.
    """

    def url(self, path: str = "") -> str:
        """Return a URI for people, without secrets; of the root if there is no path."""

    def read(self, path: str) -> bytes:
        """Return all bytes of a file.

        Raises:
            KeyNotFound: (a FileNotFoundError) there is none; a folder is none.
        """

    def write(self, path: str, data: Buffer) -> None:
        """Write a file, replacing what was there; folders are made as needed. Atomic."""

    def append(self, path: str, data: Buffer) -> None:
        """Append to a file, and make it if there is none.

        Each call is atomic for small records (up to 4 KB), from many processes too where the place
        is POSIX or a database. Where the place knows no append it may be held back until
        ``flush``, or be a read and a write, which processes must not do at the same time.
        """

    def exists(self, path: str) -> bool:
        """Return whether there is a file; a folder is none."""

    def stat(self, path: str) -> StorageStat | None:
        """Return size and time of the last write of a file; None if there is none."""

    def read_range(self, path: str, offset: int, length: int | None = None) -> bytes:
        """Return up to ``length`` bytes from ``offset`` on; all that follow if it is None.

        Raises:
            KeyNotFound: there is no such file.
            ValueError: ``offset`` or ``length`` is negative.
        """

    def list_dir(self, prefix: str) -> list[str]:
        """Return the sorted names (no paths) of the files and folders right inside a folder."""

    def remove(self, path: str) -> None:
        """Remove a file; silent if there is none."""

    def remove_dir(self, path: str) -> None:
        """Remove an empty folder; silent if there is none, it is not empty, or it is the root."""

    def flush(self) -> None:
        """Bring what is held back to its place."""

    def close(self) -> None:
        """Flush, and release connections and files. Idempotent."""


@runtime_checkable
class AsyncStorage(Protocol):
    """The same for coroutines; none of these ever blocks the loop it is awaited in."""

    def url(self, path: str = "") -> str:
        """As :meth:`Storage.url`, which needs nobody to wait."""

    async def aread(self, path: str) -> bytes:
        """As :meth:`Storage.read`."""

    async def awrite(self, path: str, data: Buffer) -> None:
        """As :meth:`Storage.write`."""

    async def aappend(self, path: str, data: Buffer) -> None:
        """As :meth:`Storage.append`."""

    async def aexists(self, path: str) -> bool:
        """As :meth:`Storage.exists`."""

    async def astat(self, path: str) -> StorageStat | None:
        """As :meth:`Storage.stat`."""

    async def aread_range(self, path: str, offset: int, length: int | None = None) -> bytes:
        """As :meth:`Storage.read_range`."""

    async def alist_dir(self, prefix: str) -> list[str]:
        """As :meth:`Storage.list_dir`."""

    async def aremove(self, path: str) -> None:
        """As :meth:`Storage.remove`."""

    async def aremove_dir(self, path: str) -> None:
        """As :meth:`Storage.remove_dir`."""
