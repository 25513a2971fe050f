"""Names that one of all threads and processes may change at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from fleche_like.backends import ByteBackend, LocalBackend
from fleche_like.storage.stripes import LockStripes
from fleche_like.support.filelocks import FileLocks

LOCKS_FILE: Final = "locks-names"
"""In the folder of the backend; always empty."""

_FIRST_PAUSE_S: Final = 0.0005
_LONGEST_PAUSE_S: Final = 0.05


class _Exclusive(Protocol):
    def try_acquire(self, key: str) -> bool: ...
    def release(self, key: str) -> None: ...
    def close(self) -> None: ...


class Claims:
    """Exclusive locks on names: among processes where the backend has a place for such locks.

    That is a folder, or a database. In memory, and on object stores, they are among the threads of
    this process.

    Args:
        backend: where the names are.

    Thread-safe; pickles as its backend.
    """

    def __init__(self, backend: ByteBackend) -> None:
        self._backend = backend
        self._threads = LockStripes(64)
        self._processes = _locks_of(backend)

    def __reduce__(self) -> tuple[Any, ...]:
        return Claims, (self._backend,)

    @contextlib.contextmanager
    def of(self, keys: Iterable[str]) -> Iterator[None]:
        """Hold the locks of some digests, taken in ascending order."""
        with contextlib.ExitStack() as held:
            for key in sorted(set(keys)):
                if self._processes is None:
                    held.enter_context(self._threads.of(key))
                else:
                    _wait_for(self._processes, key)
                    held.callback(self._processes.release, key)
            yield

    def close(self) -> None:
        """Give up what holding locks takes."""
        if self._processes is not None:
            self._processes.close()


def _wait_for(locks: _Exclusive, key: str) -> None:
    pause_s = _FIRST_PAUSE_S
    while not locks.try_acquire(key):
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _locks_of(backend: Any) -> _Exclusive | None:
    if isinstance(backend, LocalBackend):
        return _in_file(backend.root / LOCKS_FILE)
    database = getattr(backend, "database", None)
    if database is None:
        return None
    if database.path is not None:
        return _in_file(database.path.with_name(f"{database.path.name}-{LOCKS_FILE}"))
    # Known by now, since the backend has one; others must not import SQLAlchemy.
    from fleche_like.database import AdvisoryLocks

    return AdvisoryLocks(database, LOCKS_FILE) if AdvisoryLocks.supported(database) else None


def _in_file(path: Path) -> _Exclusive | None:
    return FileLocks(path) if FileLocks.supported() else None
