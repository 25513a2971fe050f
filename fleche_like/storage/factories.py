"""Storages of results by the kind of their place, and how they are described without secrets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fleche_like.backends import ByteBackend, LocalBackend, MemoryBackend, connect
from fleche_like.errors import ConfigError, MissingExtra, StorageError
from fleche_like.storage.results import ResultStorage, StorageType
from fleche_like.support.redact import redact

_HIDDEN = re.compile(r":\*\*\*@")
_HIDDEN_PARAMETER = re.compile(r"(?<=[?&;])[\w.-]+=\*\*\*(?:[&;]|$)")


def create_memory_storage(**kwargs: Any) -> ResultStorage:
    """Return a storage of results in the memory of this process.

    Args:
        kwargs: ``destructure_bytes`` of :class:`ResultStorage`.
    """
    backend = MemoryBackend()
    return ResultStorage(backend, storage_type=StorageType.MEMORY, config=kwargs, **kwargs)


def create_filesystem_storage(base_path: str | os.PathLike[str], **kwargs: Any) -> ResultStorage:
    """Return a storage of results in a folder, which is made if it is not there.

    Args:
        base_path: the folder.
        kwargs: ``durability`` and ``shared`` of :class:`LocalBackend`, ``destructure_bytes`` of
            :class:`ResultStorage`.
    """
    own, options = _own_options(kwargs)
    backend = LocalBackend(base_path, **options)
    config = {"base_path": str(backend.root), **kwargs}
    return ResultStorage(backend, storage_type=StorageType.FILESYSTEM, config=config, **own)


def create_database_storage(connection_string: str, **kwargs: Any) -> ResultStorage:
    """Return a storage of results in a table of a database, which is made if it is not there.

    Args:
        connection_string: a URL of SQLAlchemy.
        kwargs: ``destructure_bytes`` of :class:`ResultStorage`.

    Raises:
        StorageError: there is no such database, or its driver is not installed.
    """
    try:
        from fleche_like.backends.database import DatabaseBackend

        backend = DatabaseBackend(connection_string)
    except (ImportError, ConfigError) as error:
        raise StorageError(f"no storage in this database: {error}") from error
    config = {"connection_string": without_secrets(connection_string), **kwargs}
    return ResultStorage(backend, storage_type=StorageType.DATABASE, config=config, **kwargs)


def create_remote_storage(url: str, **kwargs: Any) -> ResultStorage:
    """Return a storage of results wherever :func:`~fleche_like.backends.connect` reaches.

    Args:
        url: as ``s3://bucket/prefix``.
        kwargs: ``destructure_bytes`` of :class:`ResultStorage`, and options of the driver.

    Raises:
        StorageError: there is no such place, or its driver is not installed.
    """
    own, options = _own_options(kwargs)
    try:
        backend = connect(url, **options)
    except (MissingExtra, ConfigError) as error:
        raise StorageError(f"no storage there: {error}") from error
    return ResultStorage(backend, config=_described(backend) | own, **own)


_FACTORIES: Final[Mapping[StorageType, Callable[..., ResultStorage]]] = {
    StorageType.MEMORY: create_memory_storage,
    StorageType.FILESYSTEM: create_filesystem_storage,
    StorageType.DATABASE: create_database_storage,
    StorageType.REMOTE: create_remote_storage,
}


def create_storage(kind: str, config: Mapping[str, Any] | None = None) -> ResultStorage:
    """Return a storage of results of one kind.

    Args:
        kind: of :class:`StorageType`.
        config: arguments of the factory of that kind.

    Raises:
        StorageError: there is no such kind, or an argument is missing or not known.
    """
    try:
        factory = _FACTORIES[StorageType(kind)]
    except ValueError:
        known = ", ".join(StorageType)
        raise StorageError(f"no kind of storage: {kind!r}; there are {known}") from None
    try:
        return factory(**(config or {}))
    except TypeError as error:
        raise StorageError(f"a storage of kind {kind} cannot be made: {error}") from error


def storage_over(place: ResultStorage | ByteBackend) -> ResultStorage:
    """Return the storage of results over a byte backend; a storage as it is.

    Raises:
        StorageError: it is neither.
    """
    if isinstance(place, ResultStorage):
        return place
    if not isinstance(place, ByteBackend):
        raise StorageError(f"a {type(place).__name__} is neither a storage nor a byte backend")
    kind = _kind_of(place)
    return ResultStorage(place, storage_type=kind, config=_config_of(kind, place))


def describe(storage: ResultStorage) -> dict[str, Any]:
    """Return kind and config of a storage, for :func:`create_storage`; plain data, no secrets.

    Raises:
        StorageError: it is over a byte backend that no kind makes.
    """
    if not storage.config and storage.storage_type is not StorageType.MEMORY:
        raise StorageError(f"{storage!r} cannot be described: pass what makes it, not the backend")
    return {"type": str(storage.storage_type), "config": dict(storage.config)}


def without_secrets(url: str) -> str:
    """Return a URL without passwords: what is to be found in the environment where it is used.

    >>> without_secrets("postgresql://ann:hunter2@host/db?sslpassword=x&application_name=y")
    'postgresql://ann@host/db?application_name=y'
    """
    return _HIDDEN_PARAMETER.sub("", _HIDDEN.sub("@", redact(url))).rstrip("?&;")


def _own_options(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    own = {name: kwargs[name] for name in ("destructure_bytes",) if name in kwargs}
    return own, {name: value for name, value in kwargs.items() if name not in own}


def _kind_of(backend: ByteBackend) -> StorageType:
    if isinstance(backend, MemoryBackend):
        return StorageType.MEMORY
    if isinstance(backend, LocalBackend):
        return StorageType.FILESYSTEM
    return StorageType.DATABASE if hasattr(backend, "database") else StorageType.REMOTE


def _config_of(kind: StorageType, backend: Any) -> dict[str, Any]:
    if kind is StorageType.FILESYSTEM:
        config = {"durability": backend.durability, "shared": backend.shared}
        return {"base_path": str(backend.root), **config}
    if kind is StorageType.DATABASE:
        return {"connection_string": without_secrets(backend.url)}
    return {} if kind is StorageType.MEMORY else _described(backend)


def _described(backend: Any) -> dict[str, Any]:
    """Return URL and plain options of what fsspec opens; nothing of any other backend."""
    identity = getattr(backend, "identity", None)
    if identity is None:
        return {}
    url = backend.url
    options: dict[str, Any] = json.loads(identity[len(url) :])
    return {"url": url, **options}
