"""Where the locks of a storage or cache can be that other processes see."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fleche_like.backends import LocalBackend
from fleche_like.support.filelocks import FileLocks


class Exclusive(Protocol):
    """Locks by digest that a process holds until it releases them or dies. Nothing waits."""

    def try_acquire(self, key: str) -> bool:
        """Take a lock if nobody holds it, this process included."""
        ...

    def release(self, key: str) -> None:
        """Give it up."""
        ...

    def close(self) -> None:
        """Give up all of them."""
        ...


class LockPlace(NamedTuple):
    """A place for locks.

    Attributes:
        identity: the same for all in one process who lock the same things.
        open: makes the locks.
    """

    identity: Hashable
    open: Callable[[], Exclusive]


def place_of(owner: Any) -> LockPlace | None:
    """Return where the locks of a storage or cache are; ``None`` if no other process sees it.

    In a file beside what is stored, or on the database server. Calls, values and caches have
    files of their own: a cache holds its lock while it enters those of its storages.
    """
    namespace = _namespace(owner)
    folder = getattr(owner, "folder", None)
    if folder is not None:
        return _in_folder(Path(folder), namespace)
    return _behind(owner, namespace)


def _namespace(owner: Any) -> str:
    if hasattr(owner, "calls"):
        return "cache"
    return str(getattr(owner, "prefix", "calls")).strip("/").replace("/", "-") or "objects"


def _behind(owner: Any, namespace: str) -> LockPlace | None:
    """Follow a storage to its backend, and a composite backend to the one that counts."""
    if isinstance(owner, LocalBackend):
        return _in_folder(owner.root, namespace)
    database = getattr(owner, "database", None)
    if database is not None:
        return _beside(database, namespace)
    for name in ("calls", "backend", "primary", "small", "large"):
        inner = getattr(owner, name, None)
        found = None if inner is None else _behind(inner, namespace)
        if found is not None:
            return found
    return None


def _in_folder(folder: Path, namespace: str) -> LockPlace | None:
    if not FileLocks.supported():
        return None
    path = folder / f"locks-{namespace}"

    def opened() -> FileLocks:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLocks(path)

    return LockPlace(path, opened)


def _beside(database: Any, namespace: str) -> LockPlace | None:
    if database.path is not None:
        return _in_folder(database.path.parent, f"{database.path.name}-{namespace}")
    # Known by now, since the storage has one; a storage without must not import SQLAlchemy.
    from fleche_like.database import AdvisoryLocks

    if not AdvisoryLocks.supported(database):
        return None
    return LockPlace(
        (database.url, namespace), lambda: AdvisoryLocks(database, f"operations {namespace}")
    )
