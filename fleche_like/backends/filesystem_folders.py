"""Files on filesystems with folders: puts through a temporary file, folders made and removed."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from fleche_like.backends.filesystem_requests import IN_THE_WAY, FilesystemRequests, time_of
from fleche_like.backends.keys import TEMPORARY, normalise
from fleche_like.errors import BackendUnavailable


class FolderRequests(FilesystemRequests):
    """What :class:`FsspecBackend` does where containers exist apart from keys."""

    async def deleting(self, key: str) -> None:
        """Do what ``delete`` does."""
        name = normalise(key)
        if not name or (not self.flat and await self._info(name, key) is None):
            return
        with contextlib.suppress(FileNotFoundError):
            await self._call(key, "rm_file", self._path(name))

    async def _put_in_folder(self, key: str, name: str, data: bytes) -> None:
        path = self._path(name)
        self._check_links(name, key)
        await self._make_room(key, name)
        target = path
        if self._renames():
            target = f"{path.rpartition('/')[0]}/{TEMPORARY}{uuid.uuid4().hex}"
        try:
            try:
                await self._call(key, "pipe_file", target, data)
            except FileNotFoundError:
                await self._make_folder(name.rpartition("/")[0])
                await self._call(key, "pipe_file", target, data)
            if target != path:
                await self._call(key, "mv", target, path)
        except BaseException:
            if target != path:
                with contextlib.suppress(Exception):
                    await self._call(key, "rm_file", target)
            raise

    def _renames(self) -> bool:
        from fsspec import AbstractFileSystem

        plain = AbstractFileSystem.mv  # a copy, file by file
        return type(self._filesystem).mv is not plain and self._recipe.protocol != "memory"

    async def _make_room(self, key: str, name: str) -> None:
        """Remove empty folders where a file is to be; refuse where something is in them."""
        if not await self._call(key, "isdir", self._path(name)):
            return
        async for page in self._pages(name + "/", recursive=True):
            if page:
                raise self._in_the_way(key)
        await self._remove_tree(name + "/")

    async def _make_folder(self, name: str) -> None:
        try:
            await self._call(name, "makedirs", self._path(name).rstrip("/") or "/", exist_ok=True)
        except IN_THE_WAY as error:
            raise self._in_the_way(name) from error

    async def _remove_tree(self, container: str) -> None:
        self._check_links(container.rstrip("/"), container)
        async for page in self._pages(container, recursive=False):
            for child in page:
                if child.endswith("/"):
                    await self._remove_tree(child)
                else:
                    await self.deleting(child)
        if container:
            await self._remove_if_empty(container.rstrip("/"))

    async def _remove_if_empty(self, name: str) -> None:
        self._check_links(name, name)
        if await self._call(name, "isdir", self._path(name)):
            with contextlib.suppress(FileNotFoundError, BackendUnavailable):
                await self._call(name, "rmdir", self._path(name))

    async def _sweep(self, path: str, limit: float) -> int:
        """Remove temporary files that were last written before a time; return how many."""
        count = 0
        with contextlib.suppress(FileNotFoundError):
            for found in await self._call("", "ls", path, detail=True):
                if found.get("islink"):
                    continue
                if found["type"] == "directory":
                    count += await self._sweep(found["name"], limit)
                elif _is_left_over(found, limit):
                    await self._call("", "rm_file", found["name"])
                    count += 1
        return count


def _is_left_over(found: dict[str, Any], limit: float) -> bool:
    name = found["name"].rpartition("/")[2]
    return name.startswith(TEMPORARY) and 0 < time_of(found) <= limit
