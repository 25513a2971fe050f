"""Folders below a local root: making them with the root's mode, walking them, removing them."""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import os
import stat as modes
import time
from collections.abc import Iterator

from fleche_like.backends.keys import TEMPORARY, is_key_segment

_MOST_TRIES = 20
_RUN = 10_000
_PAGE = 500
_ABSENT = (FileNotFoundError, NotADirectoryError)


class Folders:
    """Makes what lies below one root with the root's mode and group.

    Args:
        root: absolute path.
        sync: make new folders survive a loss of power.
    """

    def __init__(self, root: str, *, sync: bool) -> None:
        self.root = root
        self.sync = sync
        self.file_mode = 0o600
        self._folder_mode = 0o700
        self._group: int | None = None

    def make_root(self, mode: int) -> None:
        """Make the root with exactly this mode, unless it is there; its parents as usual."""
        os.makedirs(os.path.dirname(self.root), exist_ok=True)
        try:
            os.mkdir(self.root, mode)
        except FileExistsError:
            return
        os.chmod(self.root, mode)
        self._sync_parent(self.root)

    def inherit(self) -> None:
        """Take over the mode and group of the root that is there."""
        root = os.stat(self.root)
        if root.st_mode & modes.S_ISVTX:
            return  # where everybody may put files, as in /tmp, each is its owner's alone
        self._folder_mode = modes.S_IMODE(root.st_mode) & 0o2777
        self.file_mode = self._folder_mode & 0o666
        if hasattr(os, "getegid") and root.st_gid != os.getegid():
            # A set-group-ID root hands its group on by itself.
            self._group = None if root.st_mode & modes.S_ISGID else root.st_gid

    def make(self, path: str) -> None:
        """Make a folder below the root and those that lead to it.

        Raises:
            FileNotFoundError: the root is gone. It is not made again: it may be a file system that
                is not mounted just now.
            FileExistsError, NotADirectoryError: a file is in the way.
        """
        if len(path) <= len(self.root):
            os.stat(self.root)
            return
        for _ in range(_MOST_TRIES):
            try:
                self._make_one(path)
            except FileNotFoundError:  # or removed again, by whoever empties the container
                self.make(os.path.dirname(path))
            else:
                return
        self._make_one(path)

    def adopt(self, descriptor: int) -> None:
        """Give a new file the root's mode and group, which the umask may have cut."""
        if self.file_mode & 0o077:
            os.fchmod(descriptor, self.file_mode)
        if self._group is not None:
            with contextlib.suppress(PermissionError):  # not a member: the next best is our own
                os.fchown(descriptor, -1, self._group)

    def sync_folder(self, path: str) -> None:
        """Make a folder's entries survive a loss of power, where the platform can."""
        with contextlib.suppress(PermissionError):  # Windows opens no folders, and needs no sync
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _make_one(self, path: str) -> None:
        try:
            os.mkdir(path, self._folder_mode)
        except FileExistsError:
            if os.path.isdir(path):
                return
            if os.path.lexists(path):
                raise
            # There a moment ago, and removed since: as if it had never been.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
        if self._group is not None:
            with contextlib.suppress(PermissionError):
                os.chown(path, -1, self._group)
        if self._folder_mode & 0o077:
            os.chmod(path, self._folder_mode)
        self._sync_parent(path)

    def _sync_parent(self, path: str) -> None:
        if self.sync:
            self.sync_folder(os.path.dirname(path))


def list_folder(path: str, container: str, *, recursive: bool) -> Iterator[str]:
    """Yield keys inside a folder, sorted; holds the names of one folder a level, and no more.

    Args:
        path: of the folder, with a closing slash.
        container: its key, with a closing slash; empty for the root.
        recursive: go into folders instead of yielding them.
    """
    for name in _children(path):
        # Asked of one name at a time, so that the first comes soon.
        if not is_key_segment(name.removesuffix("/")):
            continue
        if recursive and name.endswith("/"):
            yield from list_folder(path + name, container + name, recursive=True)
        else:
            yield container + name


def remove_folder(path: str, *, keep: bool) -> None:
    """Remove all inside a folder, following no link, and itself unless ``keep``."""
    try:
        with os.scandir(path) as entries:
            found = list(entries)
    except _ABSENT:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            remove_folder(entry.path, keep=False)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.path)
    if not keep:
        remove_if_empty(path)


def remove_empty_folders(path: str) -> None:
    """Remove a folder if there is nothing but folders in it."""
    with contextlib.suppress(*_ABSENT), os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_empty_folders(entry.path)
    remove_if_empty(path)


def sweep_folder(path: str, older_than_s: float) -> int:
    """Remove old temporary files at any depth; return how many."""
    limit = time.time() - older_than_s
    count = 0
    with contextlib.suppress(*_ABSENT), os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                count += sweep_folder(entry.path, older_than_s)
            elif entry.name.startswith(TEMPORARY):
                count += _remove_old(entry, limit)
    return count


def _children(path: str) -> Iterator[str]:
    """Yield the sorted names of a folder's files and folders; those of folders end in a slash."""
    runs: list[list[bytes]] = []
    with contextlib.suppress(*_ABSENT), os.scandir(path) as entries:
        children = map(_child, entries)
        # With its slash a folder sorts where its keys do: behind "a-b" and "a.b".
        while run := sorted(itertools.islice(children, _RUN)):
            runs.append(_packed(run))
    return heapq.merge(*map(_unpacked, runs))


def _child(entry: os.DirEntry[str]) -> str:
    if entry.is_file(follow_symlinks=False):
        return entry.name
    return entry.name + "/" if entry.is_dir(follow_symlinks=False) else ""


def _packed(names: list[str]) -> list[bytes]:
    """Return names in a form that takes a third of the room, a page each."""
    pages = (names[start : start + _PAGE] for start in range(0, len(names), _PAGE))
    return ["\0".join(page).encode("utf-8", "surrogateescape") for page in pages]


def _unpacked(pages: list[bytes]) -> Iterator[str]:
    for page in pages:
        yield from page.decode("utf-8", "surrogateescape").split("\0")


def _remove_old(entry: os.DirEntry[str], limit: float) -> int:
    with contextlib.suppress(FileNotFoundError):
        if entry.stat(follow_symlinks=False).st_mtime <= limit:
            os.unlink(entry.path)
            return 1
    return 0


def remove_if_empty(path: str) -> None:
    """Remove a folder; silent if there is none, or something is in it."""
    try:
        os.rmdir(path)
    except OSError as error:
        # Somebody was quicker, or is writing into it: both are as if they had come later.
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
            raise
