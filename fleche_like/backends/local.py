"""Bytes in local files: one file a key, replaced whole."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat as modes
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Literal

from fleche_like.backends.abilities import check_range
from fleche_like.backends.appending import append_to_file
from fleche_like.backends.base import Buffer, StorageStat
from fleche_like.backends.folders import (
    Folders,
    list_folder,
    remove_empty_folders,
    remove_folder,
    remove_if_empty,
    sweep_folder,
)
from fleche_like.backends.keys import normalise, normalise_name, normalise_prefix
from fleche_like.backends.temporary import write_and_replace
from fleche_like.errors import BackendUnavailable, InvalidKey, KeyNotFound

_READ: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or opening a pipe that somebody left there waits for ever
)
_MAPPED_BYTES: Final = 16 * 1024
_FIRST_READ_BYTES: Final = 64 * 1024

# What the file system says for "there is no such file" and for "that is a folder".
_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalBackend:
    """A :class:`ByteBackend` in a folder.

    A put writes a temporary file beside its target and renames it, so that no reader and no crash
    ever sees half of it, from however many threads and processes. Symbolic links below the root
    are not followed: a key that meets one is refused, and listings pass over it.

    On a file system that ignores case or Unicode form, keys that differ only in those are one
    file; digests are not touched by that. On a network file system, rename is as atomic as the
    server makes it.

    Args:
        root: the folder; made absolute at once. It may itself be reached through links.
        durability: ``"process"``: a finished put survives the death of the process. ``"power"``:
            also that of the machine; file and folder are synced.
        shared: a new root is made for the folder's group (mode 2770) instead of private (0700).
            In a root that exists, its mode and group are inherited by all that is made inside.
        create: make the root if there is none.

    Raises:
        BackendUnavailable: there is no such folder, and ``create`` is false.
        OSError: it cannot be made.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        durability: Literal["process", "power"] = "process",
        shared: bool = False,
        create: bool = True,
    ) -> None:
        if durability not in {"process", "power"}:
            raise ValueError(f"durability is 'process' or 'power', not {durability!r}")
        self.root = Path(os.path.abspath(root))
        self.durability = durability
        self.shared = shared
        self._base = os.path.join(self.root, "")
        self._real_base = os.path.join(os.path.realpath(self.root), "")
        self._folders = Folders(str(self.root), sync=durability == "power")
        if create:
            self._folders.make_root(0o2770 if shared else 0o700)
        if not self.root.is_dir():
            raise self._gone("")
        self._folders.inherit()

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    def put_bytes(self, key: str, data: Buffer) -> None:
        self.put_parts(key, (data,))

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self._write(key, lambda path: write_and_replace(path, parts, self._folders))

    def append_bytes(self, key: str, data: Buffer) -> None:
        self._write(key, lambda path: append_to_file(path, data, self._folders))

    def _write(self, key: str, write: Callable[[str], None]) -> None:
        path = self._path(normalise_name(key))
        if os.path.islink(path):
            raise self._is_link(key)
        try:
            try:
                write(path)
            except IsADirectoryError:
                # A container whose keys are gone is nothing to anybody, and makes room.
                remove_empty_folders(path)
                write(path)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise self._in_the_way(key) from error
        except FileNotFoundError as error:
            raise self._gone(key) from error

    def get_bytes(self, key: str) -> bytes:
        descriptor = self._open(key)
        try:
            data = os.read(descriptor, _FIRST_READ_BYTES)
            if not data:
                self._require_file(descriptor, key)
            if len(data) < _FIRST_READ_BYTES:
                return data
            os.lseek(descriptor, 0, os.SEEK_SET)
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                return file.readall()
        except IsADirectoryError as error:
            raise self._absent(key) from error
        finally:
            os.close(descriptor)

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        check_range(offset, length)
        with self.open_read(key) as file:
            rest = max(0, file.seek(0, os.SEEK_END) - offset)
            file.seek(offset)
            return _read_up_to(file, rest if length is None else min(length, rest))

    def open_read(self, key: str) -> BinaryIO:
        descriptor = self._open(key)
        try:
            self._require_file(descriptor, key)
            return open(descriptor, "rb", buffering=0)
        except BaseException:
            os.close(descriptor)
            raise

    def map_bytes(self, key: str) -> memoryview:
        with self.open_read(key) as file:
            size = os.fstat(file.fileno()).st_size
            if size < _MAPPED_BYTES:  # mapping costs more than reading; and nothing, no map can be
                return memoryview(bytearray(file.read()))
            return memoryview(_map(file.fileno(), size))

    def stat(self, key: str) -> StorageStat | None:
        found = self._stat(key)
        return None if found is None else StorageStat(found.st_size, found.st_mtime)

    def exists(self, key: str) -> bool:
        return self._stat(key) is not None

    def delete(self, key: str) -> None:
        if self.exists(key):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(normalise(key)))

    def renew(self, key: str) -> bool:
        if not self.exists(key):
            return False
        try:
            os.utime(self._path(normalise(key)))
        except FileNotFoundError:
            return False
        except PermissionError:  # somebody else's file, whose time only its owner may set
            return False
        return True

    def delete_older(self, key: str, before: float) -> bool:
        found = self._stat(key)
        if found is not None and found.st_mtime >= before:
            return False
        self.delete(key)
        return True

    def delete_prefix(self, prefix: str) -> None:
        container = normalise_prefix(prefix)
        path = self._path(container)
        self._require_root(prefix)
        remove_folder(path, keep=not container)

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        container = normalise_prefix(prefix)
        path = self._path(container)
        self._require_root(prefix)
        return list_folder(path, container, recursive=recursive)

    def ensure_prefix(self, prefix: str) -> None:
        container = normalise_prefix(prefix)
        try:
            self._folders.make(self._path(container).rstrip("/"))
        except (FileExistsError, NotADirectoryError) as error:
            raise self._in_the_way(prefix) from error
        except FileNotFoundError as error:
            raise self._gone(prefix) from error

    def remove_empty(self, prefix: str) -> None:
        container = normalise_prefix(prefix)
        path = self._path(container)
        self._require_root(prefix)
        if container:
            with contextlib.suppress(NotADirectoryError):
                remove_if_empty(path.rstrip("/"))

    def sweep(self, *, older_than_s: float = 3600.0) -> int:
        return sweep_folder(self._path(""), older_than_s)

    def close(self) -> None:
        """Do nothing: no file stays open between two calls."""

    def _open(self, key: str) -> int:
        name = normalise(key)
        try:
            descriptor = os.open(self._base + name, _READ)
        except _ABSENT as error:
            raise self._absent(key) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._is_link(key) from error
            raise
        try:
            # Where the kernel says what was opened, one look replaces one a folder on the way.
            if _opened_path(descriptor) != self._real_base + name:
                self._path(name)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _stat(self, key: str) -> os.stat_result | None:
        try:
            found = os.lstat(self._path(normalise(key)))
        except _ABSENT:
            self._require_root(key)
            return None
        if modes.S_ISLNK(found.st_mode):
            raise self._is_link(key)
        return found if modes.S_ISREG(found.st_mode) else None

    def _path(self, name: str) -> str:
        """Return the path of a normal key, having met no link on the folders that lead to it.

        Asked anew each time: a folder that was none may have become a link.
        """
        base = self._base
        end = name.find("/")
        while end >= 0:
            try:
                mode = os.lstat(base + name[:end]).st_mode
            except _ABSENT:
                break
            if modes.S_ISLNK(mode):
                raise self._is_link(name)
            end = name.find("/", end + 1)
        return base + name

    def _require_file(self, descriptor: int, key: str) -> None:
        """Refuse to read a folder, and a pipe or a device that somebody else left there."""
        if not modes.S_ISREG(os.fstat(descriptor).st_mode):
            raise self._absent(key)

    def _require_root(self, key: str) -> None:
        if not self.root.is_dir():
            raise self._gone(key)

    def _absent(self, key: str) -> KeyNotFound:
        self._require_root(key)
        message = f"nothing is stored under {key!r} in {self.url}"
        return KeyNotFound(message, key=key, url=self.url)

    def _is_link(self, key: str) -> InvalidKey:
        message = f"key {key!r} meets a symbolic link below {self.url}"
        return InvalidKey(message, key=key, url=self.url)

    def _in_the_way(self, key: str) -> InvalidKey:
        message = f"{key!r} is a container, or goes through a key, in {self.url}"
        return InvalidKey(message, key=key, url=self.url)

    def _gone(self, key: str) -> BackendUnavailable:
        return BackendUnavailable(f"there is no folder {self.root}", key=key, url=self.url)


def _read_up_to(file: BinaryIO, size: int) -> bytes:
    """Read so many bytes, or all that are left: one call of the kernel reads 2 GiB at most."""
    first = file.read(size)
    if len(first) == size:
        return first
    pieces = [first]
    while piece := file.read(size - sum(map(len, pieces))):
        pieces.append(piece)
    return b"".join(pieces)


def _opened_path(descriptor: int) -> str | None:
    """Return the path of an open file without any links in it; None where nobody knows."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None


def _map(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13) and sys.platform != "win32":
        # Else every map keeps a file open, and many mapped arrays run out of them.
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False)
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
