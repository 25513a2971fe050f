"""Bytes on any filesystem of fsspec: S3, Google Cloud Storage, Azure, and what else it opens."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import os
import uuid
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from fleche_like.backends.abilities import check_range
from fleche_like.backends.base import Buffer, StorageStat
from fleche_like.backends.filesystem_conditions import is_refused, only_if
from fleche_like.backends.filesystem_pages import pages
from fleche_like.backends.filesystem_recipe import recipe_for
from fleche_like.backends.keys import TEMPORARY, normalise, normalise_name, normalise_prefix
from fleche_like.errors import BackendUnavailable, FlecheError, InvalidKey, KeyNotFound
from fleche_like.support.forks import renew_after_fork
from fleche_like.support.redact import redact

_T = TypeVar("_T")

# Their containers are but beginnings of keys, and a put is atomic.
_STORES: Final = frozenset({"s3", "gs", "gcs", "az", "abfs", "adl", "oss", "oci"})

_IN_THE_WAY: Final = (IsADirectoryError, NotADirectoryError, FileExistsError)
_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_OURS: Final = (TypeError, AttributeError, NameError, AssertionError, MemoryError, FlecheError)
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# A child must not end what its parent still uses, as dropping it would.
_leaked: list[Any] = []


class FsspecBackend:
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

    def __init__(
        self,
        filesystem: Any,
        root: str = "",
        *,
        keep_secrets: bool = False,
        max_concurrency: int = 32,
        **options: Any,
    ) -> None:
        self._recipe = recipe_for(filesystem, options, keep_secrets=keep_secrets)
        self._given = None if isinstance(filesystem, str) else filesystem
        self.max_concurrency = max_concurrency
        self.root = str(self._recipe.kind._strip_protocol(root)).rstrip("/")
        self._begin()

    def _begin(self) -> None:
        self.flat = self._recipe.protocol in _STORES
        given = self._given
        # What is not asynchronous may hold what it stores, and has no loop to get out of step.
        self._filesystem: Any = None if given is None or given.async_impl else given
        self._bucket_seen = not self.flat
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        if self._recipe.kind.async_impl:
            _leaked.append(self._filesystem)
            self._filesystem = None

    def __getstate__(self) -> dict[str, Any]:
        concurrency = {"max_concurrency": self.max_concurrency}
        return {"_recipe": self._recipe, "root": self.root, "_given": None, **concurrency}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    @property
    def url(self) -> str:
        return redact(f"{self._recipe.protocol}://{self.root}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

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
        return None if found is None else (_version(found), int(found["size"] or 0))

    def replace(self, key: str, data: bytes, version: tuple[str, int] | None) -> bool:
        """Put bytes unless others have, since a fingerprint was taken; return whether they are put.

        S3 and Azure decide that themselves; elsewhere this looks first and then puts.
        """
        return self._wait(self._replace(key, data, version))

    @property
    def identity(self) -> str:
        """What tells this place from others, as ``url`` and options that are no secrets."""
        return f"{self.url} {self._recipe.public_options()!r}"

    def close(self) -> None:
        """Release connections; they are opened again when something is asked."""
        if self._recipe.kind.async_impl:
            self._filesystem = None

    # --- requests as coroutines, for :meth:`submit` ---------------------------------------------

    def submit(self, request: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run one of the coroutines below where the driver's connections live.

        Await it from any loop with :func:`asyncio.wrap_future`.
        """
        if self._filesystem is None:
            self._filesystem = self._open(request)
        from fsspec.asyn import get_loop

        loop = getattr(self._filesystem, "loop", None) or get_loop()
        return asyncio.run_coroutine_threadsafe(request, loop)

    async def putting(self, key: str, data: Buffer) -> None:
        """Do what ``put_bytes`` does."""
        name = normalise_name(key)
        owned = data if isinstance(data, bytes) else bytes(data)
        if self.flat:
            await self._put_object(key, name, owned)
            return
        try:
            await self._put_in_folder(key, name, owned)
        except _IN_THE_WAY as error:
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
        return None if found is None else StorageStat(int(found["size"] or 0), _time(found))

    async def deleting(self, key: str) -> None:
        """Do what ``delete`` does."""
        name = normalise(key)
        if not name or (not self.flat and await self._info(name, key) is None):
            return
        with contextlib.suppress(FileNotFoundError):
            await self._call(key, "rm_file", self._path(name))

    async def listing(self, prefix: str) -> list[str]:
        """Return what ``list_prefix`` yields."""
        container = normalise_prefix(prefix)
        return [key async for page in self._pages(container, recursive=False) for key in page]

    # --- how -------------------------------------------------------------------------------------

    def _open(self, request: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._recipe.make(self.max_concurrency)
        except Exception as error:
            request.close()
            raise self._translated(error, "") from error

    def _wait(self, request: Coroutine[Any, Any, _T]) -> _T:
        future = self.submit(request)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

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

    async def _call(self, key: str, name: str, *args: Any, **options: Any) -> Any:
        """Run a method of the filesystem; what is absent or in the way stays as it is raised."""
        filesystem = self._filesystem
        try:
            if filesystem.async_impl:
                return await getattr(filesystem, f"_{name}")(*args, **options)
            return await asyncio.to_thread(getattr(filesystem, name), *args, **options)
        except (*_ABSENT, FileExistsError):
            raise
        except Exception as error:
            raise self._translated(error, key) from error

    async def _read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        name = normalise(key)
        if not name:
            raise self._absent(key)
        options: dict[str, Any] = {}
        if offset or length is not None:
            options = {"start": offset, "end": None if length is None else offset + length}
        elif self._recipe.protocol == "s3":
            # Else it asks for the size, to read in pieces that need not belong together.
            options = {"max_concurrency": 1}
        try:
            self._check_links(name, key)
            data: bytes = await self._call(key, "cat_file", self._path(name), **options)
        except _ABSENT as error:
            await self._require_bucket(key)
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

    async def _info(self, name: str, key: str) -> dict[str, Any] | None:
        if not name:
            return None
        try:
            self._check_links(name, key)
            found: dict[str, Any] = await self._call(key, "info", self._path(name))
        except _ABSENT:
            await self._require_bucket(key)
            return None
        return found if found["type"] == "file" else None

    async def _pages(self, container: str, *, recursive: bool) -> AsyncIterator[list[str]]:
        async def call(name: str, *args: Any, **options: Any) -> Any:
            return await self._call(container, name, *args, **options)

        start = self._path(container)
        skip = len(start) - len(container)
        try:
            listing = pages(self._filesystem, call, start, recursive=recursive, flat=self.flat)
            async for page in listing:
                names = (path[skip:] for path in page if path.startswith(start))
                yield [name for name in names if _is_key(name, recursive=recursive)]
        except FileNotFoundError:
            await self._require_bucket(container)
        except FlecheError:
            raise
        except Exception as error:
            raise self._translated(error, container) from error

    def _listed(self, container: str, *, recursive: bool) -> Iterator[str]:
        listing = self._pages(container, recursive=recursive)
        while (page := self._wait(_next(listing))) is not None:
            yield from page

    async def _put_object(self, key: str, name: str, data: bytes) -> None:
        try:
            await self._call(key, "pipe_file", self._path(name), data)
        except FileNotFoundError as error:  # the bucket, then
            raise self._translated(error, key) from error
        self._bucket_seen = True

    async def _replace(self, key: str, data: bytes, version: tuple[str, int] | None) -> bool:
        name = normalise_name(key)
        condition = only_if(self._filesystem, version)
        if condition is None:
            found = await self._info(name, key)
            if (None if found is None else (_version(found), int(found["size"] or 0))) != version:
                return False
            await self.putting(key, data)
            return True
        try:
            await self._call(key, "pipe_file", self._path(name), data, **condition)
        except (FileExistsError, BackendUnavailable, FileNotFoundError) as error:
            if is_refused(error):
                return False
            raise self._translated(error, key) from error
        return True

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
        except _IN_THE_WAY as error:
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

    def _check_links(self, name: str, key: str) -> None:
        if self._recipe.protocol == "file":
            real = os.path.realpath(self.root)
            if os.path.realpath(self._path(name)) != os.path.join(real, name).rstrip("/"):
                message = f"key {key!r} meets a symbolic link below {self.url}"
                raise InvalidKey(message, key=key, url=self.url)

    async def _require_bucket(self, key: str) -> None:
        """Tell a key that is absent from a bucket that is: asked once, at the first miss."""
        if self._bucket_seen:
            return
        bucket = self.root.partition("/")[0]
        try:
            # A server that refuses to say (as a translated error) has the bucket.
            with contextlib.suppress(BackendUnavailable):
                await self._call(key, "info", bucket)
        except FileNotFoundError as error:
            message = f"there is no bucket or container {bucket!r} for {self.url}"
            raise BackendUnavailable(message, key=key, url=self.url) from error
        self._bucket_seen = True

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if self.root else name

    def _translated(self, error: Exception, key: str) -> Exception:
        if isinstance(error, _OURS) or getattr(error, "errno", None) in _NO_ROOM:
            return error
        reason = self._recipe.hide(f"{type(error).__name__}: {error}")
        return BackendUnavailable(f"{self.url}: {reason}", key=key, url=self.url)

    def _absent(self, key: str) -> KeyNotFound:
        message = f"nothing is stored under {key!r} in {self.url}"
        return KeyNotFound(message, key=key, url=self.url)

    def _in_the_way(self, key: str) -> InvalidKey:
        message = f"{key!r} is a container, or goes through a key, in {self.url}"
        return InvalidKey(message, key=key, url=self.url)


async def _next(listing: AsyncIterator[list[str]]) -> list[str] | None:
    return await anext(listing, None)


def _is_key(name: str, *, recursive: bool) -> bool:
    """Return whether a path found in a listing is a key, and not what others left there."""
    if recursive and name.endswith("/"):
        return False  # a file that stands for a folder
    try:
        return normalise(name) == name.removesuffix("/") != ""
    except InvalidKey:
        return False


def _version(found: dict[str, Any]) -> str:
    for name in ("ETag", "etag", "md5Hash", "content_md5", "generation"):
        if found.get(name):
            return str(found[name])
    return repr(_time(found))


def _time(found: dict[str, Any]) -> float:
    for name in ("LastModified", "last_modified", "mtime", "updated", "modified", "created"):
        time = found.get(name)
        if isinstance(time, str) and time:
            time = dt.datetime.fromisoformat(time)
        if isinstance(time, dt.datetime):
            return time.timestamp()
        if isinstance(time, (int, float)):
            return float(time)
    return 0.0
