"""Every path-level storage of the package keeps the shipped contract, through both faces."""

from __future__ import annotations

from pathlib import Path

from fleche_like.backends import (
    DatabaseBackend,
    DatabaseStorage,
    LocalBackend,
    LocalStorage,
    MemoryStorage,
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
    appends_from_processes = False

    def make(self, folder: Path) -> PathStorage:
        small = DatabaseBackend(f"sqlite:///{folder}/blobs.db")
        return PathStorage(TieredBackend(small, LocalBackend(folder / "large"), threshold_bytes=50))
