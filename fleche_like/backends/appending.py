"""Appending a record to a file: all of it, in one piece, or nothing."""

from __future__ import annotations

import itertools
import os
from typing import Final

from fleche_like.backends.base import Buffer, as_bytes
from fleche_like.backends.folders import Folders

APPEND: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or opening a pipe that somebody left there waits for ever
    | getattr(os, "O_BINARY", 0)
)


_ATTEMPTS: Final = 20


def append_to_file(path: str, data: Buffer, folders: Folders) -> None:
    """Append one record to a file, which is made if there is none, with the folders it needs.

    Raises:
        FileNotFoundError: the root is gone.
        OSError: nothing was appended.
    """
    descriptor = _open(path, folders)
    try:
        append_record(descriptor, data)
        if folders.sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: str, folders: Folders) -> int:
    for attempt in itertools.count(1):
        try:
            return os.open(path, APPEND)
        except FileNotFoundError:
            if attempt == _ATTEMPTS:
                raise
            folders.make(os.path.dirname(path))
            os.close(_create(path, folders))
    raise AssertionError


def _create(path: str, folders: Folders) -> int:
    descriptor = os.open(path, APPEND | os.O_CREAT, folders.file_mode)
    folders.adopt(descriptor)
    return descriptor


def append_record(descriptor: int, data: Buffer) -> None:
    """Append ``data`` to a file that was opened to append.

    One call of the kernel, which keeps appends of several processes apart. Where it takes only a
    part, as for want of room, the rest follows; where that fails, the part is taken back.
    """
    written, record = 0, as_bytes(data)
    try:
        while written < len(record):
            written += os.write(descriptor, memoryview(record)[written:] if written else record)
    except OSError:
        end = os.lseek(descriptor, 0, os.SEEK_CUR)
        # Somebody else's record behind ours must stay, at the price of half a record before it.
        if written and os.fstat(descriptor).st_size == end:
            os.ftruncate(descriptor, end - written)
        raise
