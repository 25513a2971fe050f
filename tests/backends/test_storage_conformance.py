"""Every path-level storage of the package keeps the shipped contract, through both faces."""

from __future__ import annotations

import pickle
import uuid
from pathlib import Path

from fleche_like.backends import (
    DatabaseBackend,
    DatabaseStorage,
    FsspecStorage,
    LocalBackend,
    LocalStorage,
    MemoryBackend,
    MemoryStorage,
    MemoryTierBackend,
    MirroredBackend,
    PathStorage,
    TieredBackend,
)
from fleche_like.testing.storages import StorageConformance


class TestLocal(StorageConformance):
    def make(self, folder: Path) -> PathStorage:
        return LocalStorage(folder / "root")


class TestLocalSynced(StorageConformance):
    def make(self, folder: Path) -> PathStorage:
        return LocalStorage(folder / "root", durability="power")


class TestMemory(StorageConformance):
    outlives_process = False

    def make(self, folder: Path) -> PathStorage:
        return MemoryStorage()


class TestSqlite(StorageConformance):
    def make(self, folder: Path) -> PathStorage:
        return DatabaseStorage(f"sqlite:///{folder}/blobs.db")


class TestSqliteAndFiles(StorageConformance):
    def make(self, folder: Path) -> PathStorage:
        small = DatabaseBackend(f"sqlite:///{folder}/blobs.db")
        return PathStorage(TieredBackend(small, LocalBackend(folder / "large"), threshold_bytes=50))


class TestFsspecFiles(StorageConformance):
    appends_from_processes = False  # a rename cannot be made to depend on what is there

    def make(self, folder: Path) -> PathStorage:
        return FsspecStorage("file", str(folder / "root"), staging=folder / "stages")


class TestFsspecMemory(StorageConformance):
    outlives_process = False

    def make(self, folder: Path) -> PathStorage:
        return FsspecStorage("memory", f"/{uuid.uuid4().hex}", staging=folder / "stages")

    # fsspec keeps one memory for a whole process, which a copy made by pickling finds again.
    def test_a_pickled_storage_arrives_with_its_configuration(self, made: PathStorage) -> None:
        made.write("a", b"1")
        assert pickle.loads(pickle.dumps(made)).read("a") == b"1"


class TestMirrored(StorageConformance):
    def make(self, folder: Path) -> PathStorage:
        return PathStorage(MirroredBackend(LocalBackend(folder / "1"), LocalBackend(folder / "2")))


class TestMemoryTier(StorageConformance):
    outlives_process = False

    def make(self, folder: Path) -> PathStorage:
        return PathStorage(MemoryTierBackend(MemoryBackend(), max_bytes=50_000))
