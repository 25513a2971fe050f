"""Path-level storages: faces over byte backends."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from fleche_like.backends import abilities
from fleche_like.backends.base import (
    Buffer,
    ByteBackend,
    StorageStat,
)
from fleche_like.backends.keys import normalise
from fleche_like.backends.local import LocalBackend
from fleche_like.backends.memory import MemoryBackend

if TYPE_CHECKING:
    from fleche_like.database import Database


class PathStorage:
    """A :class:`Storage` and :class:`AsyncStorage` over any byte backend.

    The asynchronous methods run the plain ones in threads.

    Args:
        backend: where the bytes are; closed with this storage. If it cannot append, an append
            reads and writes, as :func:`~fleche_like.backends.abilities.append_bytes` does.
    """

    def __init__(self, backend: ByteBackend) -> None:
        self.backend = backend

    def __getstate__(self) -> dict[str, Any]:
        return {"backend": self.backend}

    def __setstate__(self, state: dict[str, Any]) -> None:
        PathStorage.__init__(self, **state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url()}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def url(self, path: str = "") -> str:
        name = normalise(path)
        base = self.backend.url
        # What SQLAlchemy reads behind a path is no part of it, and paths do not go there.
        return f"{base.rstrip('/')}/{quote(name)}" if name else base

    def read(self, path: str) -> bytes:
        return self.backend.get_bytes(path)

    def write(self, path: str, data: Buffer) -> None:
        self.backend.put_bytes(path, data)

    def append(self, path: str, data: Buffer) -> None:
        abilities.append_bytes(self.backend, path, data)

    def exists(self, path: str) -> bool:
        return self.backend.exists(path)

    def stat(self, path: str) -> StorageStat | None:
        return abilities.stat(self.backend, path)

    def read_range(self, path: str, offset: int, length: int | None = None) -> bytes:
        return abilities.read_range(self.backend, path, offset, length)

    def list_dir(self, prefix: str) -> list[str]:
        names = (key.rstrip("/").rpartition("/")[2] for key in self.backend.list_prefix(prefix))
        return sorted(set(names))  # where a name is a file and a folder, it is listed once

    def remove(self, path: str) -> None:
        self.backend.delete(path)

    def remove_dir(self, path: str) -> None:
        abilities.remove_empty(self.backend, path)

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def close(self) -> None:
        self.backend.close()

    async def aread(self, path: str) -> bytes:
        return await asyncio.to_thread(self.read, path)

    async def awrite(self, path: str, data: Buffer) -> None:
        await asyncio.to_thread(self.write, path, data)

    async def aappend(self, path: str, data: Buffer) -> None:
        await asyncio.to_thread(self.append, path, data)

    async def aexists(self, path: str) -> bool:
        return await asyncio.to_thread(self.exists, path)

    async def astat(self, path: str) -> StorageStat | None:
        return await asyncio.to_thread(self.stat, path)

    async def aread_range(self, path: str, offset: int, length: int | None = None) -> bytes:
        return await asyncio.to_thread(self.read_range, path, offset, length)

    async def alist_dir(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(self.list_dir, prefix)

    async def aremove(self, path: str) -> None:
        await asyncio.to_thread(self.remove, path)

    async def aremove_dir(self, path: str) -> None:
        await asyncio.to_thread(self.remove_dir, path)

    async def aflush(self) -> None:
        """As :meth:`flush`, without blocking the loop."""
        await asyncio.to_thread(self.flush)

    async def aclose(self) -> None:
        """As :meth:`close`, without blocking the loop."""
        await asyncio.to_thread(self.close)


class LocalStorage(PathStorage):
    """Files in a folder; an append is one write to the end of the file, whoever else appends.

    Args:
        root: the folder, made if there is none.
        durability: as of :class:`LocalBackend`.
        shared: as of :class:`LocalBackend`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        durability: Literal["process", "power"] = "process",
        shared: bool = False,
    ) -> None:
        super().__init__(LocalBackend(root, durability=durability, shared=shared))


class MemoryStorage(PathStorage):
    """Files in the memory of this process; a pickled one arrives empty.

    >>> with MemoryStorage() as storage:
    ...     storage.append("runs/1/log", b"a")
    ...     storage.append("runs/1/log", b"b")
    ...     storage.read("runs/1/log"), storage.list_dir("runs")
    (b'ab', ['1'])
    """

    def __init__(self) -> None:
        super().__init__(MemoryBackend())


class DatabaseStorage(PathStorage):
    """Files in the table ``blobs`` of a database; an append is one statement.

    Args:
        database: as of :class:`DatabaseBackend`.
    """

    def __init__(self, database: str | Database) -> None:
        from fleche_like.backends.database import DatabaseBackend

        super().__init__(DatabaseBackend(database))
