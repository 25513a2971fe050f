"""Requests to a filesystem of fsspec: how one is made and opened, what its errors mean."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from fleche_like.backends.filesystem_conditions import is_without_bucket
from fleche_like.backends.filesystem_pages import pages
from fleche_like.backends.filesystem_recipe import recipe_for
from fleche_like.backends.keys import normalise
from fleche_like.errors import BackendUnavailable, FlecheError, InvalidKey, KeyNotFound
from fleche_like.support.forks import renew_after_fork
from fleche_like.support.redact import redact

_T = TypeVar("_T")

# Their containers are but beginnings of keys, and a put is atomic.
_STORES: Final = frozenset({"s3", "gs", "gcs", "az", "abfs", "adl", "oss", "oci"})

IN_THE_WAY: Final = (IsADirectoryError, NotADirectoryError, FileExistsError)
ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_OURS: Final = (TypeError, AttributeError, NameError, AssertionError, MemoryError, FlecheError)
_LISTINGS: Final = 100
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# A child must not end what its parent still uses, as dropping it would.
_leaked: list[Any] = []


class FilesystemRequests:
    """What :class:`FsspecBackend` is made of; its arguments are described there."""

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
        self._reads_in_pieces = self._recipe.reads_in_pieces
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

    def submit(self, request: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Run one of the coroutines below where the driver's connections live.

        Await it from any loop with :func:`asyncio.wrap_future`.
        """
        try:
            loop = self.connect()
        except BaseException:
            request.close()
            raise
        return asyncio.run_coroutine_threadsafe(request, loop)

    @property
    def connected(self) -> bool:
        """Whether there is a driver, so that :meth:`submit` takes no time."""
        return self._filesystem is not None

    def connect(self) -> asyncio.AbstractEventLoop:
        """Have a driver, which may take a moment the first time; return the loop it lives in."""
        from fsspec.asyn import get_loop

        filesystem = self._filesystem
        if filesystem is None:
            filesystem = self._filesystem = self._open()
        found: asyncio.AbstractEventLoop = getattr(filesystem, "loop", None) or get_loop()
        return found

    def close(self) -> None:
        """Release connections; they are opened again when something is asked."""
        if self._recipe.kind.async_impl:
            self._filesystem = None

    def _open(self) -> Any:
        try:
            return self._recipe.make(self.max_concurrency)
        except Exception as error:  # noqa: BLE001  # raised again, as what it means
            raise self._translated(error, "") from self._cause(error)

    def _wait(self, request: Coroutine[Any, Any, _T]) -> _T:
        future = self.submit(request)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _call(self, key: str, name: str, *args: Any, **options: Any) -> Any:
        """Run a method of the filesystem; what is absent or in the way stays as it is raised."""
        filesystem = self._filesystem
        if filesystem is None:
            message = f"{self.url} was closed meanwhile"
            raise BackendUnavailable(message, key=key, url=self.url)
        try:
            if filesystem.async_impl:
                return await getattr(filesystem, f"_{name}")(*args, **options)
            method = getattr(filesystem, name)
            if name == "ls":
                return await asyncio.to_thread(_listed, method, *args, **options)
            return await asyncio.to_thread(method, *args, **options)
        except (*ABSENT, FileExistsError):
            raise
        except Exception as error:  # noqa: BLE001  # raised again, as what it means
            raise self._translated(error, key) from self._cause(error)

    async def _info(self, name: str, key: str) -> dict[str, Any] | None:
        if not name:
            return None
        try:
            self._check_links(name, key)
            found: dict[str, Any] = await self._call(key, "info", self._path(name))
        except ABSENT as error:
            await self._require_bucket(key, error)
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
                yield [name for name in names if is_key(name, recursive=recursive)]
        except FileNotFoundError as error:
            await self._require_bucket(container, error)
        except FlecheError:
            raise
        except Exception as error:  # noqa: BLE001  # raised again, as what it means
            raise self._translated(error, container) from self._cause(error)

    def _check_links(self, name: str, key: str) -> None:
        if self._recipe.protocol == "file":
            real = os.path.realpath(self.root)
            if os.path.realpath(self._path(name)) != os.path.join(real, name).rstrip("/"):
                message = f"key {key!r} meets a symbolic link below {self.url}"
                raise InvalidKey(message, key=key, url=self.url)

    async def _require_bucket(self, key: str, error: BaseException) -> None:
        """Tell a key that is absent from a bucket that is.

        Some answers say which; where they do not, it is asked once, at the first miss.
        """
        if is_without_bucket(error):
            raise self._without_bucket(key) from error
        if self._bucket_seen:
            return
        try:
            # A server that refuses to say (as a translated error) has the bucket.
            with contextlib.suppress(BackendUnavailable):
                await self._call(key, "info", self.root.partition("/")[0])
        except FileNotFoundError as absent:
            raise self._without_bucket(key) from absent
        self._bucket_seen = True

    def _without_bucket(self, key: str) -> BackendUnavailable:
        bucket = self.root.partition("/")[0]
        message = f"there is no bucket or container {bucket!r} for {self.url}"
        return BackendUnavailable(message, key=key, url=self.url)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if self.root else name

    def _translated(self, error: Exception, key: str) -> Exception:
        if isinstance(error, _OURS) or getattr(error, "errno", None) in _NO_ROOM:
            return error
        reason = self._recipe.hide(f"{type(error).__name__}: {error}")
        return BackendUnavailable(f"{self.url}: {reason}", key=key, url=self.url)

    def _cause(self, error: Exception) -> Exception | None:
        """Return what a traceback may show as the cause: nothing that would tell a secret."""
        text = str(error)
        return error if self._recipe.hide(text) == text else None

    def _absent(self, key: str) -> KeyNotFound:
        message = f"nothing is stored under {key!r} in {self.url}"
        return KeyNotFound(message, key=key, url=self.url)

    def _in_the_way(self, key: str) -> InvalidKey:
        message = f"{key!r} is a container, or goes through a key, in {self.url}"
        return InvalidKey(message, key=key, url=self.url)


def is_key(name: str, *, recursive: bool) -> bool:
    """Return whether a path found in a listing is a key, and not what others left there."""
    if recursive and name.endswith("/"):
        return False  # a file that stands for a folder
    try:
        return normalise(name) == name.removesuffix("/") != ""
    except InvalidKey:
        return False


def version_of(found: dict[str, Any]) -> str:
    """Return what tells one version of a file from others, of what ``info`` says about it."""
    for name in ("ETag", "etag", "md5Hash", "content_md5", "generation"):
        if found.get(name):
            return str(found[name])
    return repr(time_of(found))


def time_of(found: dict[str, Any]) -> float:
    """Return the time of the last write, of what ``info`` says; 0 if it does not."""
    for name in ("LastModified", "last_modified", "mtime", "updated", "modified", "created"):
        time = found.get(name)
        if isinstance(time, str) and time:
            time = dt.datetime.fromisoformat(time)
        if isinstance(time, dt.datetime):
            return time.timestamp()
        if isinstance(time, (int, float)):
            return float(time)
    return 0.0


def _listed(ls: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """List a folder; again if a file is gone when fsspec's memory looks closer at it."""
    for _ in range(_LISTINGS):
        with contextlib.suppress(KeyError):
            return ls(*args, **options)
    return ls(*args, **options)
