"""Locks by digest among the processes of one machine: each is one byte of one file.

POSIX record locks, so that nothing is created, removed or swept: a lock is an offset, taken and
given up in one system call each, and gone with its process however that ends. A network filesystem
that supports them extends them to its hosts. Their two oddities are dealt with here:

* A process never gets in its own way, so the locks that it holds are also kept in a set.
* Closing *any* descriptor of the file drops *all* of the process's locks on it. So there is one
  descriptor for each file in a process, counted, whatever path the file was opened by.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path
from typing import Any, Final

from fleche_like.support.forks import renew_after_fork

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_EXCLUSIVE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB if fcntl is not None else 0

_OFFSET_BITS: Final = 62
"""The byte of a key: its first bits, as many as an offset can hold."""


class _LockFile:
    """The one open descriptor of a file in this process, and the locks held through it."""

    def __init__(self, descriptor: int, identity: tuple[int, int]) -> None:
        self.descriptor = descriptor
        self.identity = identity
        self.users = 0
        self.held: dict[str, int] = {}
        self.guard = threading.Lock()

    # Twice in every call that is not answered from memory, so nothing is factored out here.

    def try_acquire(self, key: str) -> bool:
        offset, ours = int(key[:16], 16) >> (64 - _OFFSET_BITS), False
        try:
            with self.guard:
                if key in self.held:
                    return False
                # Before it is so: whatever interrupts this leaves nothing that nobody knows of.
                self.held[key] = offset
                ours = True
                try:
                    fcntl.lockf(self.descriptor, _EXCLUSIVE, 1, offset)
                except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: somebody else has it
                    ours = False
                    del self.held[key]
                    return False
                return True
        except BaseException:
            if ours:
                self.release(key)
            raise

    def release(self, key: str) -> None:
        with self.guard:
            offset = self.held.get(key)
            if offset is not None:
                try:
                    fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, offset)
                finally:
                    self.held.pop(key, None)


class _OpenFiles:
    """Every lock file that is open in this process."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, int], _LockFile] = {}
        self._given_up: deque[_LockFile] = deque()
        self._guard = threading.Lock()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        # A child inherits descriptors, which it may go on using, but no record locks.
        self._guard = threading.Lock()
        for file in self._files.values():
            file.guard = threading.Lock()
            file.held.clear()

    def opened(self, path: Path) -> _LockFile:
        with self._guard:
            # By its identity before it is opened: opening it twice, one would have to be closed.
            file = self._files.get(_identity(path) or (0, 0)) or self._open(path)
            file.users += 1
        self._close_unused()
        return file

    def _open(self, path: Path) -> _LockFile:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        status = os.fstat(descriptor)
        if status.st_uid == os.geteuid():
            # Whoever may write into the folder may lock.
            os.fchmod(descriptor, path.parent.stat().st_mode & 0o666)
        file = _LockFile(descriptor, (status.st_dev, status.st_ino))
        self._files[file.identity] = file
        return file

    def give_up(self, file: _LockFile) -> None:
        """Let go of a file; never waits.

        Collecting garbage comes here too, in the middle of anything: of :meth:`opened`, say.
        """
        self._given_up.append(file)
        self._close_unused()

    def _close_unused(self) -> None:
        # Who holds the guard comes here afterwards.
        while self._given_up and self._guard.acquire(blocking=False):
            try:
                while self._given_up:
                    self._close(self._given_up.popleft())
            finally:
                self._guard.release()

    def _close(self, file: _LockFile) -> None:
        file.users -= 1
        if not file.users:
            del self._files[file.identity]
            os.close(file.descriptor)


_open_files: Final = _OpenFiles()


class FileLocks:
    """Locks by digest in a file, among all processes that open it.

    A lock belongs to the process: whoever got ``True`` from :meth:`try_acquire` holds it until
    :meth:`release`, from whichever thread, or until the process dies. Locks are not re-entrant:
    a second :meth:`try_acquire` of a held key is ``False`` for everyone in this process too,
    through other instances on the same file as well. Nothing ever waits; who wants to, polls.
    A forked child holds none of its parent's locks.

    The file stays empty. It is opened, and made if it is not there, when it is first needed.

    Args:
        path: the file; its folder must exist. Let nothing else open it: see this module.

    Thread-safe and fork-safe. Pickles as its path.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     locks = FileLocks(Path(folder) / "locks")
    ...     locks.try_acquire("ab" * 16), locks.try_acquire("ab" * 16)
    ...     locks.close()
    (True, False)
    """

    longest_pause_s: Final = 0.02
    """Between two attempts of one who waits: asking costs a microsecond."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: _LockFile | None = None
        self._guard = threading.Lock()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._guard = threading.Lock()

    @staticmethod
    def supported() -> bool:
        """Return whether this platform has such locks: all but Windows do."""
        return fcntl is not None

    def try_acquire(self, key: str) -> bool:
        """Take the lock of a key if nobody holds it; interrupted (Ctrl-C), it holds nothing.

        Args:
            key: a digest.

        Raises:
            OSError: the file cannot be opened, or its filesystem has no locks.
        """
        return (self._file or self._opened()).try_acquire(key)

    def release(self, key: str) -> None:
        """Give up the lock of a key; silent if it is not held. Interrupted, to be called again."""
        file = self._file
        if file is not None:
            file.release(key)

    def held(self) -> frozenset[str]:
        """Return the keys that this process holds, through any instance on this file."""
        file = self._file
        return frozenset() if file is None else frozenset(file.held)

    def close(self) -> None:
        """Close the file, which releases every lock unless another instance has it open too."""
        with self._guard:
            file, self._file = self._file, None
        if file is not None:
            _open_files.give_up(file)

    def __reduce__(self) -> tuple[type[FileLocks], tuple[Path]]:
        return FileLocks, (self.path,)

    def __repr__(self) -> str:
        return f"FileLocks({str(self.path)!r})"

    def _opened(self) -> _LockFile:
        with self._guard:
            if self._file is None:
                self._file = _open_files.opened(self.path)
            return self._file


def _identity(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        return status.st_dev, status.st_ino
    return None
