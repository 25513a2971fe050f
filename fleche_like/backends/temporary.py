"""Writing a file whole or not at all: a temporary sibling, then a rename."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Sequence
from typing import Final

from fleche_like.backends.base import Buffer, as_bytes
from fleche_like.backends.folders import Folders
from fleche_like.backends.keys import TEMPORARY

_CREATE: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)

# Each time, somebody must have removed the folder between our making it and our using it.
_ATTEMPTS: Final = 20

# Two hosts that share a folder may give two processes one number; two processes that share this
# token (by a fork) have two numbers.
_token = os.urandom(4).hex()
_counter = itertools.count()


def write_and_replace(path: str, parts: Sequence[Buffer], folders: Folders) -> None:
    """Write ``parts`` to ``path``, so that it has all of them or what it had before.

    Makes missing folders only when it meets their absence, as most puts do not.

    Raises:
        FileNotFoundError: the root is gone.
        OSError: writing failed; the temporary file is gone.
    """
    folder = os.path.dirname(path)
    for attempt in itertools.count(1):
        try:
            if attempt > 1:
                folders.make(folder)
            _write_once(folder, path, parts, folders)
            break
        except FileNotFoundError:
            if attempt == _ATTEMPTS:
                raise
    if folders.sync:
        with contextlib.suppress(FileNotFoundError):  # removed again, and that is what counts
            folders.sync_folder(folder)


def _write_once(folder: str, path: str, parts: Sequence[Buffer], folders: Folders) -> None:
    temporary, descriptor = _create(folder, folders.file_mode)
    try:
        try:
            folders.adopt(descriptor)
            _write(descriptor, parts)
            if folders.sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _create(folder: str, mode: int) -> tuple[str, int]:
    while True:
        path = f"{folder}/{TEMPORARY}{_token}-{os.getpid()}-{next(_counter)}"
        with contextlib.suppress(FileExistsError):  # left by a process whose number came again
            return path, os.open(path, _CREATE, mode)


def _write(descriptor: int, parts: Sequence[Buffer]) -> None:
    for part in map(as_bytes, parts):
        written = os.write(descriptor, part)
        while written < len(part):  # one call writes 2 GiB at most, or what room there is
            written += os.write(descriptor, memoryview(part)[written:])
