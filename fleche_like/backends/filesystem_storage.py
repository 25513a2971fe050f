"""Files by path on any filesystem of fsspec, with appends that wait locally for a flush."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from fleche_like.backends.abilities import held_bytes, pause
from fleche_like.backends.base import Buffer, StorageStat
from fleche_like.backends.filesystem import FsspecBackend
from fleche_like.backends.keys import normalise, normalise_name, normalise_prefix
from fleche_like.backends.stage import Stage, StagedFile, default_parent
from fleche_like.backends.storages import PathStorage
from fleche_like.errors import FlushFailed, WriteConflict
from fleche_like.support.forks import renew_after_fork

_T = TypeVar("_T")
_ATTEMPTS: Final = 50


class FsspecStorage(PathStorage):
    """A :class:`Storage` and :class:`AsyncStorage` on any filesystem of fsspec.

    Object stores know no append. So the first append to a file takes up what the store holds in a
    local stage, where the rest is appended; all methods see the stage at once. :meth:`flush`
    uploads each changed file once and drops the stage. What was not flushed when the process died
    is found by :meth:`recover`.

    When somebody else has changed the file meanwhile, what was appended here goes behind what is
    there now (``on_conflict="merge"``), or :meth:`flush` raises :exc:`WriteConflict` and keeps
    the stage (``"refuse"``). S3 and Azure make sure of that while they write; elsewhere a change
    in the very moment between the look and the upload is not noticed.

    An upload whose answer was lost is recognised by its contents, and not repeated.

    The asynchronous methods are the driver's own where it is asynchronous, unless the file is
    staged; they run in threads otherwise.

    Args:
        filesystem, root, keep_secrets, max_concurrency, options: as of :class:`FsspecBackend`;
            or a :class:`FsspecBackend` alone.
        staging: folder for stages; by default one of this user among the temporary ones. Name one
            on a disk to find stages again after a loss of power.
        on_conflict: what ``flush`` does with a file that somebody else changed.

    A pickled storage arrives with an empty stage, as does the one in a forked child.
    """

    backend: FsspecBackend

    def __init__(
        self,
        filesystem: Any,
        root: str = "",
        *,
        staging: str | os.PathLike[str] | None = None,
        on_conflict: Literal["merge", "refuse"] = "merge",
        keep_secrets: bool = False,
        max_concurrency: int = 32,
        **options: Any,
    ) -> None:
        if on_conflict not in {"merge", "refuse"}:
            raise ValueError(f"on_conflict is 'merge' or 'refuse', not {on_conflict!r}")
        self.on_conflict = on_conflict
        self._parent = None if staging is None else Path(os.path.abspath(staging))
        self._stage: Stage | None = None
        if not isinstance(filesystem, FsspecBackend):
            options |= {"keep_secrets": keep_secrets, "max_concurrency": max_concurrency}
            filesystem = FsspecBackend(filesystem, root, **options)
        super().__init__(filesystem)
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._files: dict[str, StagedFile] = {}
        # Never held while a staged file's own lock is waited for.
        self._guard = threading.Lock()
        if self._stage is not None:
            self._stage.forget()
            self._stage = None

    def __getstate__(self) -> dict[str, Any]:
        staging = {"staging": self._parent, "on_conflict": self.on_conflict}
        return {"filesystem": self.backend, **staging}

    def __setstate__(self, state: dict[str, Any]) -> None:
        FsspecStorage.__init__(self, **state)

    # --- the plain face -------------------------------------------------------------------------

    def read(self, path: str) -> bytes:
        return self._look(path, StagedFile.read, self.backend.get_bytes)

    def read_range(self, path: str, offset: int, length: int | None = None) -> bytes:
        return self._look(
            path,
            lambda staged: staged.read_range(offset, length),
            lambda name: self.backend.read_range(name, offset, length),
        )

    def stat(self, path: str) -> StorageStat | None:
        return self._look(path, StagedFile.stat, self.backend.stat)

    def exists(self, path: str) -> bool:
        return self.stat(path) is not None

    def list_dir(self, prefix: str) -> list[str]:
        return self._with_staged(prefix, super().list_dir(prefix))

    def append(self, path: str, data: Buffer) -> None:
        name = normalise_name(path)
        while not self._append(self._entry(name), data):
            pass

    def write(self, path: str, data: Buffer) -> None:
        self._settle(path, lambda: self.backend.put_bytes(path, data))

    def remove(self, path: str) -> None:
        self._settle(path, lambda: self.backend.delete(path))

    def flush(self) -> None:
        """Upload what was appended; each changed file once.

        Raises:
            FlushFailed: several files could not be uploaded; its ``failures`` say why, by path.
            WriteConflict, BackendUnavailable, OSError: one could not. All others were, and what
                was not stays staged.
        """
        failures: dict[str, Exception] = {}
        for staged in list(self._files.values()):
            try:
                self._upload(staged)
            except Exception as error:  # noqa: BLE001  # whatever it is, the others go on
                failures[staged.path] = error
        if len(failures) == 1:
            raise next(iter(failures.values()))
        if failures:
            first = next(iter(failures))
            message = f"{len(failures)} files were not uploaded; {first!r}: {failures[first]}"
            raise FlushFailed(message, key=first, url=self.backend.url, failures=failures)

    def close(self) -> None:
        """Flush, remove the stage, release connections; if flushing fails, the stage stays."""
        self.flush()
        with self._guard:
            # One that holds an append that came just now is kept, for the next close.
            if self._stage is not None and not self._files:
                self._stage.close()
                self._stage = None
        super().close()

    def recover(self) -> list[str]:
        """Take over what processes that died have left unflushed; return the paths.

        They are staged here then: read them, or flush.
        """
        recovered = []
        for stage in Stage.abandoned(self._staging(), self.backend.identity):
            for left in stage.files():
                while not self._take_over(self._entry(left.path), left):
                    pass
                stage.discard(left)
                recovered.append(left.path)
            stage.close(all_taken=True)
        return recovered

    # --- the asynchronous face: the driver's own requests, unless the file is staged ------------

    async def aread(self, path: str) -> bytes:
        if self._is_staged(path):
            return await super().aread(path)
        return await self._await(self.backend.getting(path))

    async def aread_range(self, path: str, offset: int, length: int | None = None) -> bytes:
        if self._is_staged(path):
            return await super().aread_range(path, offset, length)
        return await self._await(self.backend.reading_range(path, offset, length))

    async def astat(self, path: str) -> StorageStat | None:
        if self._is_staged(path):
            return await super().astat(path)
        return await self._await(self.backend.asking(path))

    async def aexists(self, path: str) -> bool:
        return await self.astat(path) is not None

    async def alist_dir(self, prefix: str) -> list[str]:
        keys = await self._await(self.backend.listing(prefix))
        return self._with_staged(prefix, [key.rstrip("/").rpartition("/")[2] for key in keys])

    async def awrite(self, path: str, data: Buffer) -> None:
        if self._is_staged(path):
            await super().awrite(path, data)
        else:
            await self._await(self.backend.putting(path, data))

    async def aremove(self, path: str) -> None:
        if self._is_staged(path):
            await super().aremove(path)
        else:
            await self._await(self.backend.deleting(path))

    async def _await(self, request: Coroutine[Any, Any, _T]) -> _T:
        if not self.backend.connected:
            try:
                await asyncio.to_thread(self.backend.connect)
            except BaseException:
                request.close()
                raise
        return await asyncio.wrap_future(self.backend.submit(request))

    # --- the stage -------------------------------------------------------------------------------

    def _is_staged(self, path: str) -> bool:
        return normalise(path) in self._files

    def _entry(self, name: str) -> StagedFile:
        with self._guard:
            return self._files.setdefault(name, StagedFile(name))

    def _forget(self, staged: StagedFile) -> None:
        staged.gone = True
        with self._guard:
            self._files.pop(staged.path, None)

    def _opened_stage(self) -> Stage:
        with self._guard:
            if self._stage is None:
                self._stage = Stage.new(self._staging(), self.backend.identity)
            return self._stage

    def _staging(self) -> Path:
        if self._parent is None:
            return default_parent()
        self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._parent

    def _look(self, path: str, here: Callable[[StagedFile], _T], there: Callable[[str], _T]) -> _T:
        staged = self._files.get(normalise(path))
        if staged is not None:
            with staged.lock:
                if not staged.gone and staged.folder is not None:
                    return here(staged)
        return there(path)

    def _with_staged(self, prefix: str, names: list[str]) -> list[str]:
        container = normalise_prefix(prefix)
        held = [file.path for file in list(self._files.values()) if file.folder is not None]
        inside = (path for path in held if path.startswith(container))
        staged = {path[len(container) :].partition("/")[0] for path in inside}
        return sorted({*names, *staged})

    def _append(self, staged: StagedFile, data: Buffer) -> bool:
        """Append to a staged file; False if it was brought home meanwhile."""
        with staged.lock:
            if staged.gone:
                return False
            if staged.folder is None:
                self._take_up(staged)
            staged.append(data)
            return True

    def _take_up(self, staged: StagedFile) -> None:
        try:
            staged.version, held = held_bytes(self.backend, staged.path)
            if held is None and not self.backend.flat:
                # Takes the place, where a file and a folder cannot have one name.
                self.backend.replace(staged.path, b"", None)
            staged.taken = len(held or b"")
            self._opened_stage().fill(staged, held or b"")
        except BaseException:
            self._forget(staged)
            raise

    def _take_over(self, staged: StagedFile, left: StagedFile) -> bool:
        with staged.lock:
            if staged.gone:
                return False
            try:
                if staged.folder is None:
                    self._opened_stage().adopt(staged, left)
                else:
                    staged.append(left.unsent(staged))
            except BaseException:
                if staged.folder is None:
                    self._forget(staged)
                raise
            return True

    def _settle(self, path: str, change: Callable[[], None]) -> None:
        """Change a file where it lives, and drop what is staged of it once that is done."""
        staged = self._files.get(normalise(path))
        if staged is None:
            change()
            return
        with staged.uploading, staged.lock:
            change()
            if not staged.gone:
                self._drop(staged)

    def _drop(self, staged: StagedFile) -> None:
        self._forget(staged)
        if staged.folder is not None and self._stage is not None:
            self._stage.discard(staged)

    def _upload(self, staged: StagedFile) -> None:
        with staged.uploading:
            for attempt in range(_ATTEMPTS):
                with staged.lock:
                    if staged.gone or staged.folder is None:
                        return
                    if not staged.changed():
                        self._drop(staged)
                        return
                if self._try_upload(staged):
                    return
                if attempt:  # the first only looked
                    pause(attempt)
        message = f"{staged.path!r} changes too often in {self.backend.url}"
        raise WriteConflict(message, key=staged.path, url=self.backend.url)

    def _try_upload(self, staged: StagedFile) -> bool:
        """Upload once; False if the store holds something else than was taken up."""
        if self.backend.fingerprint(staged.path) != staged.version:
            self._rebase(staged)
            return False
        with staged.lock:
            data = staged.read()
            staged.attempted = len(data)
            staged.note()
        # Without the lock, so that appends go on meanwhile.
        if not self.backend.replace(staged.path, data, staged.version):
            return False
        with staged.lock:
            if staged.stat().size == len(data):
                self._drop(staged)
            else:
                # Somebody may have written since: the next flush compares contents.
                staged.taken, staged.version = len(data), ("", len(data))
                staged.note()
        return True

    def _rebase(self, staged: StagedFile) -> None:
        """Put what was appended behind what the store holds now, or refuse."""
        version, held = held_bytes(self.backend, staged.path)
        now = held or b""
        with staged.lock:
            data = staged.read()
            if staged.attempted > staged.taken and now == data[: staged.attempted]:
                staged.taken = staged.attempted  # sent, and only the answer was lost
            if now == data[: staged.taken]:
                staged.version = version
                staged.note()
                return
            if self.on_conflict == "refuse":
                message = f"somebody else changed {staged.path!r} in {self.backend.url}"
                raise WriteConflict(message, key=staged.path, url=self.backend.url)
            tail = data[staged.taken :]
            staged.version, staged.taken, staged.attempted = version, len(now), 0
            self._opened_stage().fill(staged, now + tail)
