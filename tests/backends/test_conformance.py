"""Every backend of the package keeps the shipped contract."""

from __future__ import annotations

import pickle
import uuid
from pathlib import Path

from fleche_like.backends import (
    ByteBackend,
    DatabaseBackend,
    FsspecBackend,
    LocalBackend,
    MemoryBackend,
    MemoryTierBackend,
    MirroredBackend,
    TieredBackend,
)
from fleche_like.testing.backends import ByteBackendConformance


class TestLocal(ByteBackendConformance):
    def make(self, folder: Path) -> ByteBackend:
        return LocalBackend(folder / "root")


class TestLocalSynced(ByteBackendConformance):
    def make(self, folder: Path) -> ByteBackend:
        return LocalBackend(folder / "root", durability="power")


class TestMemory(ByteBackendConformance):
    outlives_process = False

    def make(self, folder: Path) -> ByteBackend:
        return MemoryBackend()


class TestSqlite(ByteBackendConformance):
    def make(self, folder: Path) -> ByteBackend:
        return DatabaseBackend(f"sqlite:///{folder}/blobs.db")


class TestSqliteInMemory(ByteBackendConformance):
    outlives_process = False

    def make(self, folder: Path) -> ByteBackend:
        return DatabaseBackend("sqlite://")


class TestSqliteAndFiles(ByteBackendConformance):
    def make(self, folder: Path) -> ByteBackend:
        small = DatabaseBackend(f"sqlite:///{folder}/blobs.db")
        return TieredBackend(small, LocalBackend(folder / "large"), threshold_bytes=1000)


class TestTwoMemories(ByteBackendConformance):
    outlives_process = False

    def make(self, folder: Path) -> ByteBackend:
        return TieredBackend(MemoryBackend(), MemoryBackend(), threshold_bytes=4)


class TestFsspecFiles(ByteBackendConformance):
    def make(self, folder: Path) -> ByteBackend:
        return FsspecBackend("file", str(folder / "root"))


class TestFsspecMemory(ByteBackendConformance):
    outlives_process = False

    def make(self, folder: Path) -> ByteBackend:
        return FsspecBackend("memory", f"/{uuid.uuid4().hex}")

    # fsspec keeps one memory for a whole process, which a copy made by pickling finds again.
    def test_a_pickled_backend_arrives_with_its_configuration(self, backend: ByteBackend) -> None:
        backend.put_bytes("a", b"1")
        assert pickle.loads(pickle.dumps(backend)).get_bytes("a") == b"1"


class TestMirroredFiles(ByteBackendConformance):
    def make(self, folder: Path) -> ByteBackend:
        return MirroredBackend(LocalBackend(folder / "1"), LocalBackend(folder / "2"))


class TestMirroredMemoryAndSqlite(ByteBackendConformance):
    outlives_process = False

    def make(self, folder: Path) -> ByteBackend:
        return MirroredBackend(MemoryBackend(), DatabaseBackend("sqlite://"))


class TestMemoryBeforeSqlite(ByteBackendConformance):
    outlives_process = False  # others' writes are not seen while something is kept

    def make(self, folder: Path) -> ByteBackend:
        return MemoryTierBackend(DatabaseBackend("sqlite://"), max_bytes=50_000)
