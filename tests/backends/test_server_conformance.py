"""Backends and storages on real servers keep the shipped contracts."""

from __future__ import annotations

import uuid
from pathlib import Path

from fleche_like.backends import (
    ByteBackend,
    DatabaseBackend,
    DatabaseStorage,
    FsspecBackend,
    FsspecStorage,
    PathStorage,
)
from fleche_like.testing.backends import ByteBackendConformance
from fleche_like.testing.storages import StorageConformance
from tests.servers import (
    azure_container,
    azure_options,
    mariadb_url,
    needs_azure,
    needs_mariadb,
    needs_postgresql,
    needs_s3,
    postgresql_url,
    s3_bucket,
    s3_options,
)


def s3_backend() -> FsspecBackend:
    root = f"{s3_bucket()}/{uuid.uuid4().hex}"
    return FsspecBackend("s3", root, keep_secrets=True, **s3_options())


def azure_backend() -> FsspecBackend:
    root = f"{azure_container()}/{uuid.uuid4().hex}"
    return FsspecBackend("az", root, keep_secrets=True, **azure_options())


# Answered with 404, or listed with spaces, by these two servers.
NEWLINE = frozenset({"tab\tand\nnewline"})


@needs_s3
class TestS3(ByteBackendConformance):
    machine_examples = 2
    many_keys = 100
    impossible_names = NEWLINE

    def make(self, folder: Path) -> ByteBackend:
        return s3_backend()


@needs_azure
class TestAzure(ByteBackendConformance):
    machine_examples = 2
    many_keys = 100
    impossible_names = NEWLINE

    def make(self, folder: Path) -> ByteBackend:
        return azure_backend()


@needs_postgresql
class TestPostgresql(ByteBackendConformance):
    machine_examples = 8

    def make(self, folder: Path) -> ByteBackend:
        return DatabaseBackend(postgresql_url())


@needs_mariadb
class TestMariaDB(ByteBackendConformance):
    machine_examples = 8

    def make(self, folder: Path) -> ByteBackend:
        return DatabaseBackend(mariadb_url())


@needs_s3
class TestStorageOnS3(StorageConformance):
    machine_examples = 2
    impossible_names = NEWLINE

    def make(self, folder: Path) -> PathStorage:
        return FsspecStorage(s3_backend(), staging=folder / "stages")


@needs_azure
class TestStorageOnAzure(StorageConformance):
    machine_examples = 2
    impossible_names = NEWLINE

    def make(self, folder: Path) -> PathStorage:
        return FsspecStorage(azure_backend(), staging=folder / "stages")


@needs_postgresql
class TestStorageOnPostgresql(StorageConformance):
    machine_examples = 5

    def make(self, folder: Path) -> PathStorage:
        return DatabaseStorage(postgresql_url())
