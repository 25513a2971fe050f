"""Leases: who computes a call at the moment, among all that share a cache."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from fleche_like.storage import CallStorage
from fleche_like.support.filelocks import FileLocks

LEASES_FILE: Final = "leases"
"""In the folder of an embedded cache; always empty."""


class Leases(Protocol):
    """Locks by digest that a process holds until it releases them or dies. Nothing waits."""

    def try_acquire(self, key: str) -> bool:
        """Take the lease of a key if nobody holds it, this process included."""
        ...

    def release(self, key: str) -> None:
        """Give it up; silent if it is not held."""
        ...

    def close(self) -> None:
        """Give up all of them."""
        ...


def leases_of(folder: Path | None, calls: CallStorage) -> Leases | None:
    """Return the leases of a cache: in a file of its folder, or on its database server.

    Args:
        folder: where an embedded cache lives.
        calls: its calls.

    Returns:
        ``None`` where only this process can tell who computes what.
    """
    if folder is not None:
        return FileLocks(folder / LEASES_FILE) if FileLocks.supported() else None
    database = getattr(calls, "database", None)
    if database is None:
        return None
    # Known by now, since the calls have one; a cache without must not import SQLAlchemy.
    from fleche_like.database import AdvisoryLocks

    return AdvisoryLocks(database, LEASES_FILE) if AdvisoryLocks.supported(database) else None
