"""What running calls rely on, where ``gc`` sees it: a file for each process, locked while it lives.

A file holds the digests of values, one on each line, that prepared calls of a process found stored
or stored before their bodies ran. It is emptied whenever no such call is left. Its lock tells that
the process lives: the file of a dead one pins nothing, and whoever meets it removes it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import uuid
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fleche_like.hashing import DIGEST_LENGTH, Digest
from fleche_like.support.forks import renew_after_fork

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows, where the grace period of gc is all there is
    fcntl = None

logger = logging.getLogger(__name__)

FOLDER: Final = "pins"
"""In the folder of an embedded cache."""

MOST_BYTES: Final = 1024 * 1024
"""Of a file: then one with what is still held takes its place."""

_DRAFT: Final = "draft-"


class Pins:
    """The pins of this process in the folder of one cache.

    Args:
        folder: of the cache. Nothing is made in it before there is something to pin.

    Thread-safe; a forked child has pins of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        # The parent's file stays locked as long as any process has its descriptor: it is closed.
        inherited = getattr(self, "_descriptor", -1)
        if inherited >= 0:
            os.close(inherited)
        self._guard = threading.RLock()  # an owner may be dropped in the middle of anything
        self._held: dict[int, tuple[weakref.ref[Any], list[Digest]]] = {}
        self._descriptor = -1
        self._path = self._folder
        self._size = 0

    @staticmethod
    def supported() -> bool:
        """Return whether this platform can tell that a process died."""
        return fcntl is not None

    def hold(self, owner: object, digests: Iterable[Digest]) -> None:
        """Pin values until their owner is dropped.

        Args:
            owner: a prepared call.
            digests: full ones.

        If the file cannot be written, what protects them is the grace period of gc.
        """
        mine, number = list(digests), id(owner)
        with self._guard:
            # Before it is written: who drops the last other owner meanwhile would empty the file.
            self._held[number] = weakref.ref(owner, lambda _: self._release(number)), mine
            try:
                if self._descriptor < 0 or self._size > MOST_BYTES:
                    self._begin()
                self._write(mine)
            except OSError as error:
                self._held.pop(number)
                logger.warning("what a running call relies on is not pinned: %s", error)

    def close(self) -> None:
        """Let go of everything, and remove the file."""
        with self._guard:
            self._held.clear()
            self._end()

    def _release(self, number: int) -> None:
        with self._guard:
            self._held.pop(number, None)
            if not self._held and self._descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, 0)
                    self._size = 0

    def _begin(self) -> None:
        """Begin a file with what is held, before the earlier one goes."""
        self._folder.mkdir(exist_ok=True)
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        # Locked before it can be found, or it would be taken for one whose process died.
        draft = self._folder / f"{_DRAFT}{name}"
        descriptor = _locked(draft, self._folder.stat().st_mode & 0o666)
        earlier, old_path = self._descriptor, self._path
        self._descriptor, self._path, self._size = descriptor, self._folder / name, 0
        self._write([digest for _, held in [*self._held.values()] for digest in held])
        draft.rename(self._path)
        if earlier >= 0:
            old_path.unlink(missing_ok=True)
            os.close(earlier)

    def _write(self, digests: list[Digest]) -> None:
        self._size += os.write(self._descriptor, "".join(f"{each}\n" for each in digests).encode())

    def _end(self) -> None:
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def _locked(path: Path, mode: int) -> int:
    """Make a file that this process holds, and return its descriptor."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        path.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return descriptor


def pinned(folder: Path, *, clean: bool = False) -> set[Digest]:
    """Return what living processes rely on in the cache of a folder.

    Args:
        folder: of the cache.
        clean: remove the files of dead processes.
    """
    found: set[Digest] = set()
    if fcntl is not None:
        for file in (folder / FOLDER).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                found.update(_pins_in(file, clean=clean))
    return found


def _pins_in(file: Path, *, clean: bool) -> list[Digest]:
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lines = file.read_text().split("\n")
        return [Digest(line) for line in lines if len(line) == DIGEST_LENGTH]
    else:
        if clean and not file.name.startswith(_DRAFT):  # which may be locked in a moment
            file.unlink(missing_ok=True)
        return []
    finally:
        os.close(descriptor)


def pins_of(folder: Path | None) -> Pins | None:
    """Return the pins of a cache; ``None`` where there can be none."""
    return Pins(folder) if folder is not None and Pins.supported() else None
