"""A folder of files that wait to be uploaded: owned by one process, found again after its death.

A stage holds one folder for each file: ``data`` (what the remote held, and behind it what was
appended) and ``meta.json``. Its owner keeps the file ``lock`` locked; when that lock is free and
the folder is still there, its owner died.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fleche_like.backends.abilities import check_range
from fleche_like.backends.appending import APPEND, append_record
from fleche_like.backends.base import Buffer, StorageStat

# Elsewhere there is no way to tell that an owner died, and its stages are left alone.
if sys.platform != "win32":
    import fcntl

_NAME: Final = "stage-"


class StagedFile:
    """One file of a stage. Hold ``lock`` to touch it, ``uploading`` too to bring it home.

    Attributes:
        taken: how many of its bytes the remote held.
        version: the remote's fingerprint when they were taken; None if there was nothing.
        attempted: how many of its bytes were sent at the last attempt, successful or not.
        gone: it is no longer staged; look again.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.uploading = threading.Lock()
        self.folder: Path | None = None
        self.gone = False
        self.taken = 0
        self.attempted = 0
        self.version: tuple[str, int] | None = None

    def append(self, data: Buffer) -> None:
        """Put a record behind the rest; all of it or nothing."""
        descriptor = os.open(self._data(), APPEND)
        try:
            append_record(descriptor, data)
        finally:
            os.close(descriptor)

    def read(self) -> bytes:
        """Return everything."""
        return self._data().read_bytes()

    def read_range(self, offset: int, length: int | None) -> bytes:
        """Return a part, at a cost that does not depend on the rest."""
        check_range(offset, length)
        with open(self._data(), "rb") as file:
            rest = max(0, file.seek(0, os.SEEK_END) - offset)
            file.seek(offset)
            return file.read(rest if length is None else min(length, rest))

    def unsent(self, other: StagedFile) -> bytes:
        """Return what was appended here and is not among what ``other`` took up since."""
        data = self.read()
        sent = data[: self.attempted]
        arrived = self.attempted > self.taken and other.read()[: len(sent)] == sent
        return data[self.attempted if arrived else self.taken :]

    def stat(self) -> StorageStat:
        """Return size and time of the last append."""
        found = self._data().stat()
        return StorageStat(found.st_size, found.st_mtime)

    def changed(self) -> bool:
        """Return whether there is anything to bring home."""
        return self.version is None or self.stat().size > self.taken

    def note(self) -> None:
        """Write down what must be known after a crash."""
        assert self.folder is not None
        _write_meta(self.folder, self)

    def _data(self) -> Path:
        assert self.folder is not None
        return self.folder / "data"


class Stage:
    """A folder that this process owns until :meth:`close`.

    Args:
        folder: of this stage alone.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self._lock = descriptor
        self._numbers = itertools.count(1)

    @classmethod
    def new(cls, parent: Path, identity: str) -> Stage:
        """Make a stage for the place of that identity."""
        name = f"{_NAME}{_hash(identity)}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        # Locked before it can be found, or it would be taken for one whose owner died.
        draft = parent / f"draft-{name}"
        draft.mkdir(mode=0o700)
        descriptor = _lock(draft)
        return cls(draft.rename(parent / name), descriptor)

    @classmethod
    def abandoned(cls, parent: Path, identity: str) -> Iterator[Stage]:
        """Yield stages of the same place whose owners died; they are this process's then."""
        if sys.platform == "win32":
            return
        for folder in sorted(parent.glob(f"{_NAME}{_hash(identity)}-*")):
            descriptor = _lock(folder)
            if descriptor >= 0 and folder.exists():
                yield cls(folder, descriptor)
            elif descriptor >= 0:  # somebody else was quicker, and done before this lock was taken
                os.close(descriptor)

    def fill(self, staged: StagedFile, data: bytes) -> None:
        """Give a staged file its contents, in place of those it has; whole or not at all."""
        old = staged.folder
        draft = self.folder / f"draft-{uuid.uuid4().hex}"
        draft.mkdir(mode=0o700)
        try:
            (draft / "data").write_bytes(data)
            _write_meta(draft, staged, replaces=old.name if old else None)
            staged.folder = draft.rename(self._next())
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if old is not None:
            shutil.rmtree(old)

    def adopt(self, staged: StagedFile, other: StagedFile) -> None:
        """Take over a file of another stage, for one that is not filled yet."""
        assert other.folder is not None
        staged.folder, other.folder = other.folder.rename(self._next()), None
        staged.taken, staged.attempted = other.taken, other.attempted
        staged.version = other.version

    def discard(self, staged: StagedFile) -> None:
        """Remove a file's folder; what a crash leaves of it is no staged file any more."""
        if staged.folder is not None:
            (staged.folder / "meta.json").unlink()
            shutil.rmtree(staged.folder)

    def files(self) -> Iterator[StagedFile]:
        """Yield the files that are found in the folder, as after a crash."""
        found = [file for file in map(_opened, sorted(self.folder.iterdir())) if file is not None]
        replaced = {name for _, name in found}
        for staged, _ in found:
            if staged.folder is not None and staged.folder.name not in replaced:
                yield staged

    def close(self, *, all_taken: bool = False) -> None:
        """Let go of the folder, and remove it if no file is left in it.

        Args:
            all_taken: what is left is of no use.
        """
        if all_taken:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif not any(child.is_dir() for child in self.folder.iterdir()):
            (self.folder / "lock").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        self.forget()

    def forget(self) -> None:
        """Close the lock without touching the folder: in a child, the parent still holds it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _next(self) -> Path:
        while (folder := self.folder / f"file-{next(self._numbers):08}").exists():
            pass
        return folder


def remove_empty_stages(parent: Path, before: float, *, dry_run: bool = False) -> int:
    """Remove stages whose owners died and that hold no file, whatever place they were for.

    Args:
        parent: where stages are.
        before: a moment, in seconds since 1970; younger ones stay.
        dry_run: just count.

    Returns:
        How many there were.
    """
    if sys.platform == "win32":  # where nobody can tell that an owner died
        return 0
    found = (*parent.glob(f"{_NAME}*"), *parent.glob(f"draft-{_NAME}*"))
    return sum(_remove_empty_stage(folder, before, dry_run=dry_run) for folder in sorted(found))


def _remove_empty_stage(folder: Path, before: float, *, dry_run: bool) -> bool:
    try:
        if folder.stat().st_mtime >= before:
            return False
    except FileNotFoundError:
        return False
    descriptor = _lock(folder)
    if descriptor < 0:
        return False
    stage = Stage(folder, descriptor)
    try:
        is_empty = folder.exists() and not any(stage.files())
        if is_empty and not dry_run:
            stage.close(all_taken=True)
        return is_empty
    finally:
        stage.forget()


def default_parent() -> Path:
    """Return this user's own folder among the temporary ones.

    Raises:
        PermissionError: somebody else made it.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir(), f"fleche-like-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.lstat().st_uid != user:
        raise PermissionError(f"{folder} belongs to somebody else; say where with staging=")
    return folder


def _hash(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _lock(folder: Path) -> int:
    """Return the descriptor of the folder's lock, or -1 if its owner lives."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return -1
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return -1
    return descriptor


def _write_meta(folder: Path, staged: StagedFile, replaces: str | None = None) -> None:
    meta = {
        "path": staged.path,
        "taken": staged.taken,
        "attempted": staged.attempted,
        "version": staged.version,
        "replaces": replaces,
    }
    draft = folder / "meta.draft"
    draft.write_text(json.dumps(meta))
    draft.replace(folder / "meta.json")


def _opened(folder: Path) -> tuple[StagedFile, str | None] | None:
    if not folder.name.startswith("file-") or not (folder / "data").exists():
        return None
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    except FileNotFoundError:
        return None
    staged = StagedFile(meta["path"])
    staged.folder = folder
    staged.taken, staged.attempted = meta["taken"], meta["attempted"]
    staged.version = None if meta["version"] is None else (meta["version"][0], meta["version"][1])
    return staged, meta["replaces"]
