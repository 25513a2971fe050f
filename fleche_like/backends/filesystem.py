"""Bytes on any filesystem of fsspec: S3, Google Cloud Storage, Azure, and what else it opens."""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from fleche_like.backends.abilities import check_range
from fleche_like.backends.base import Buffer, StorageStat
from fleche_like.backends.filesystem_conditions import is_refused, only_if
from fleche_like.backends.filesystem_folders import FolderRequests
from fleche_like.backends.filesystem_requests import ABSENT, IN_THE_WAY, time_of, version_of
from fleche_like.backends.keys import normalise, normalise_name, normalise_prefix
from fleche_like.errors import BackendUnavailable, KeyNotFound

_T = TypeVar("_T")


class FsspecBackend(FolderRequests):
    """A :class:`ByteBackend` on a filesystem of fsspec.

    On object stores a put is one request (or one upload in parts) and atomic. Filesystems with
    folders get a temporary sibling and a rename where they have a rename; a few have none.

    Where the driver is asynchronous, batches are concurrent requests, and :meth:`submit` hands out
    requests to be awaited.

    Args:
        filesystem: a protocol (``"s3"``) or a filesystem. Of an asynchronous one a copy is made,
            without its cache of listings.
        root: bucket and prefix, or folder.
        keep_secrets: let keys and passwords among the options travel with pickles. Otherwise the
            copy must find them where the driver looks: environment, profile, instance.
        max_concurrency: how many requests a batch has under way.
        options: of the protocol's driver.

    Raises:
        MissingExtra: the driver is not installed.
        ConfigError: fsspec knows no such protocol, or it needs a bucket and there is none.
    """

    # --- the plain face -------------------------------------------------------------------------

    def put_bytes(self, key: str, data: Buffer) -> None:
        self._wait(self.putting(key, data))

    def get_bytes(self, key: str) -> bytes:
        return self._wait(self.getting(key))

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        return self._wait(self.reading_range(key, offset, length))

    def stat(self, key: str) -> StorageStat | None:
        return self._wait(self.asking(key))

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def delete(self, key: str) -> None:
        self._wait(self.deleting(key))

    def delete_prefix(self, prefix: str) -> None:
        if self.flat:
            keys = self.list_prefix(prefix, recursive=True)
            deque(self._concurrently((key, self.deleting(key)) for key in keys), maxlen=0)
        else:
            self._wait(self._remove_tree(normalise_prefix(prefix)))

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        return self._listed(normalise_prefix(prefix), recursive=recursive)

    def ensure_prefix(self, prefix: str) -> None:
        name = normalise(prefix)
        if not self.flat:
            self._wait(self._make_folder(name))

    def remove_empty(self, prefix: str) -> None:
        name = normalise(prefix)
        if name and not self.flat:
            self._wait(self._remove_if_empty(name))

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for key, future in self._concurrently((key, self.getting(key)) for key in keys):
            with contextlib.suppress(KeyNotFound):
                yield key, future.result()

    def put_many(self, items: Iterable[tuple[str, Buffer]]) -> None:
        owned = [(normalise_name(key), data) for key, data in items]
        puts = ((key, self.putting(key, data)) for key, data in owned)
        for _, future in self._concurrently(puts):
            future.result()

    def fingerprint(self, key: str) -> tuple[str, int] | None:
        """Return what tells one version of the bytes from another: ETag or time, and size."""
        found = self._wait(self._info(normalise(key), key))
        return None if found is None else (version_of(found), int(found["size"] or 0))

    def replace(self, key: str, data: bytes, version: tuple[str, int] | None) -> bool:
        """Put bytes unless others have, since a fingerprint was taken; return whether they are put.

        S3 and Azure decide that themselves; elsewhere this looks first and then puts.
        """
        return self._wait(self._replace(key, data, version))

    @property
    def identity(self) -> str:
        """What tells this place from others, as ``url`` and options that are no secrets."""
        options = json.dumps(self._recipe.public_options(), sort_keys=True, default=repr)
        return f"{self.url} {options}"

    def sweep(self, *, older_than_s: float = 3600.0) -> int:
        return 0 if self.flat else self._wait(self._sweep(self.root, time.time() - older_than_s))

    # --- requests as coroutines, for :meth:`submit` ---------------------------------------------

    async def putting(self, key: str, data: Buffer) -> None:
        """Do what ``put_bytes`` does."""
        name = normalise_name(key)
        owned = data if isinstance(data, bytes) else bytes(data)
        if self.flat:
            await self._put_object(key, name, owned)
            return
        try:
            await self._put_in_folder(key, name, owned)
        except IN_THE_WAY as error:
            raise self._in_the_way(key) from error

    async def getting(self, key: str) -> bytes:
        """Do what ``get_bytes`` does."""
        return await self._read(key)

    async def reading_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        """Do what ``read_range`` does."""
        check_range(offset, length)
        if not self.flat or length == 0:
            return await self._read_inside(key, offset, length)
        try:
            return await self._read(key, offset, length)
        except BackendUnavailable:
            # Servers refuse a range that begins behind the end, each in its own words.
            found = await self.asking(key)
            if found is None or offset < found.size:
                raise
            return b""

    async def asking(self, key: str) -> StorageStat | None:
        """Do what ``stat`` does."""
        found = await self._info(normalise(key), key)
        return None if found is None else StorageStat(int(found["size"] or 0), time_of(found))

    async def listing(self, prefix: str) -> list[str]:
        """Return what ``list_prefix`` yields."""
        container = normalise_prefix(prefix)
        return [key async for page in self._pages(container, recursive=False) for key in page]

    # --- how -------------------------------------------------------------------------------------

    def _concurrently(
        self, requests: Iterable[tuple[str, Coroutine[Any, Any, _T]]]
    ) -> Iterator[tuple[str, Future[_T]]]:
        """Yield finished requests in order, with a bounded number of them under way."""
        waiting: deque[tuple[str, Future[_T]]] = deque()
        try:
            for key, request in requests:
                waiting.append((key, self.submit(request)))
                if len(waiting) >= self.max_concurrency:
                    yield self._finished(waiting)
            while waiting:
                yield self._finished(waiting)
        finally:
            for _, future in waiting:
                future.cancel()

    @staticmethod
    def _finished(waiting: deque[tuple[str, Future[_T]]]) -> tuple[str, Future[_T]]:
        key, future = waiting[0]
        with contextlib.suppress(KeyNotFound):
            future.result()
        waiting.popleft()
        return key, future

    async def _read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        name = normalise(key)
        if not name:
            raise self._absent(key)
        options: dict[str, Any] = {}
        if offset or length is not None:
            options = {"start": offset, "end": None if length is None else offset + length}
        elif self._reads_in_pieces:
            # Else it asks for the size, to read in pieces that need not belong together.
            options = {"max_concurrency": 1}
        try:
            self._check_links(name, key)
            data: bytes = await self._call(key, "cat_file", self._path(name), **options)
        except ABSENT as error:
            await self._require_bucket(key, error)
            raise self._absent(key) from error
        self._bucket_seen = True
        return bytes(data)

    async def _read_inside(self, key: str, offset: int, length: int | None) -> bytes:
        found = await self.asking(key)
        if found is None:
            raise self._absent(key)
        rest = max(0, found.size - offset)
        length = rest if length is None else min(length, rest)
        return await self._read(key, offset, length) if length else b""

    def _listed(self, container: str, *, recursive: bool) -> Iterator[str]:
        listing = self._pages(container, recursive=recursive)
        while (page := self._wait(_next(listing))) is not None:
            yield from page

    async def _put_object(self, key: str, name: str, data: bytes) -> None:
        try:
            await self._call(key, "pipe_file", self._path(name), data)
        except FileNotFoundError as error:  # the bucket, then
            raise self._translated(error, key) from self._cause(error)
        self._bucket_seen = True

    async def _replace(self, key: str, data: bytes, version: tuple[str, int] | None) -> bool:
        name = normalise_name(key)
        condition = only_if(self._filesystem, version)
        if condition is None:
            found = await self._info(name, key)
            if (None if found is None else (version_of(found), int(found["size"] or 0))) != version:
                return False
            await self.putting(key, data)
            return True
        try:
            await self._call(key, "pipe_file", self._path(name), data, **condition)
        except (FileExistsError, BackendUnavailable, FileNotFoundError) as error:
            if is_refused(error):
                return False
            raise self._translated(error, key) from self._cause(error)
        return True


async def _next(listing: AsyncIterator[list[str]]) -> list[str] | None:
    return await anext(listing, None)
