"""Opening a cache from a folder or a URL."""

from __future__ import annotations

import datetime as dt
import os
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final, Literal

from fleche_like.cache import MEMORY_BYTES, BudgetedCache, Cache
from fleche_like.errors import CacheNotFound, ConfigError
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.dividing import DESTRUCTURE_BYTES
from fleche_like.support.redact import redact

INLINE_BYTES: Final = 32 * 1024
"""Values up to this size go into the database, beside their record; larger ones into files."""

INDEX_FILE: Final = "index.db"


def open_cache(
    target: str | os.PathLike[str],
    *,
    values: str | os.PathLike[str] | None = None,
    read_only: bool = False,
    memory_bytes: int = MEMORY_BYTES,
    mmap: bool | Literal["verify"] = False,
    durability: Literal["process", "power"] = "process",
    inline_bytes: int = INLINE_BYTES,
    destructure_bytes: int | None = DESTRUCTURE_BYTES,
    max_bytes: int | None = None,
    max_items: int | None = None,
    max_age: float | dt.timedelta | None = None,
    eviction: Literal["lru", "cost"] = "lru",
) -> Cache:
    """Open a cache, and make it if it is not there.

    Args:
        target: a folder, for an embedded cache (SQLite index, small values inside, large ones as
            files); ``memory://``, for one that goes with this process; or an SQLAlchemy URL, for
            an index on a database server.
        values: with a database URL, the folder or URL (``s3://bucket/prefix``) that values go to,
            as :func:`~fleche_like.backends.connect` takes it; omitted, they go into the database.
        read_only: refuse to save and to evict; the cache must exist.
        memory_bytes: bound of the memory tier of this process; 0 turns it off.
        mmap: map large arrays copy-on-write instead of copying them (``"verify"``: and check
            their contents first; otherwise mapped contents are not checked).
        durability: ``"process"`` survives the death of the process, and may lose the latest calls
            when the machine dies; ``"power"`` waits for the disk on each save.
        inline_bytes: values up to this size go into the database of an embedded cache.
        destructure_bytes: store containers part by part, each part of this size or more once,
            however many values have it; ``None`` or 0 stores every value as a whole.
        max_bytes: keep records and values within so many bytes, as
            :class:`~fleche_like.cache.BudgetedCache` does.
        max_items: keep so many calls.
        max_age: keep what was used within so many seconds, or this timedelta.
        eviction: what goes first: ``"lru"`` or ``"cost"``.

    Raises:
        CacheNotFound: ``read_only``, and there is no cache.
        ConfigError: the target makes no sense.
        SchemaError: the cache was written by another release; the message says what to do.
        DatabaseDamaged: the index is not a sound database.

    >>> cache = open_cache("memory://")
    >>> cache.stats().calls
    0
    """
    text = os.fspath(target)
    kind = _kind(text)
    if values is not None and kind != "server":
        raise ConfigError(
            "values= goes with the URL of a database server; this cache keeps its own values",
            source="open_cache",
        )
    common: dict[str, Any] = {"memory_bytes": memory_bytes, "read_only": read_only}
    stored: dict[str, Any] = {"mmap": mmap, "destructure_bytes": destructure_bytes}
    database_options = {"read_only": read_only, "durability": durability}
    if kind == "memory":
        opened = _in_memory(destructure_bytes, **common)
    elif kind == "server":
        opened = _on_server(text, values, stored, database_options, **common)
    else:
        folder = _existing(text, read_only=read_only)
        opened = _embedded(folder, inline_bytes, stored, database_options, **common)
    if max_bytes is None and max_items is None and max_age is None:
        return opened
    return BudgetedCache(
        opened, max_bytes=max_bytes, max_items=max_items, max_age=max_age, eviction=eviction
    )


def index_of(target: str | os.PathLike[str]) -> str | Path:
    """Return where the index of a cache is: the file of an embedded one, else the URL it has.

    Raises:
        ConfigError: the target makes no sense, or has no index that outlives this process.
    """
    text = os.fspath(target)
    kind = _kind(text)
    if kind == "memory":
        raise ConfigError("a cache in memory has no index of its own", source="open_cache")
    return text if kind == "server" else _folder(text) / INDEX_FILE


def _kind(target: str) -> Literal["memory", "folder", "server"]:
    if target.startswith("memory:"):
        return "memory"
    if "://" in target and not target.startswith("file:"):
        return "server"
    return "folder"


def _folder(target: str) -> Path:
    if not target:
        raise ConfigError("a cache needs a folder or a URL, not ''", source="open_cache")
    if target.startswith("file:"):
        target = urllib.request.url2pathname(urllib.parse.urlsplit(target).path)
    return Path(target).expanduser().absolute()


def _existing(target: str, *, read_only: bool) -> Path:
    """Return the folder of an embedded cache, made (for its owner alone) unless read-only."""
    folder = _folder(target)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; a cache is a folder", source="open_cache")
    if read_only and not (folder / INDEX_FILE).exists():
        raise CacheNotFound(f"there is no cache in {folder}", url=str(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _in_memory(destructure_bytes: int | None, **common: Any) -> Cache:
    from fleche_like.backends import MemoryBackend
    from fleche_like.index import SqlCallStorage

    values = BackendValueStorage(MemoryBackend(), destructure_bytes=destructure_bytes)
    return Cache(values, SqlCallStorage("sqlite://"), url="memory://", **common)


def _embedded(
    folder: Path,
    inline_bytes: int,
    stored: dict[str, Any],
    database_options: dict[str, Any],
    **common: Any,
) -> Cache:
    from fleche_like.backends import DatabaseBackend, LocalBackend, TieredBackend
    from fleche_like.database import Database
    from fleche_like.index import SqlCallStorage

    database = Database(folder / INDEX_FILE, **database_options)
    calls = SqlCallStorage(database, read_only=database.read_only)
    large = LocalBackend(folder, durability=database_options["durability"])
    backend = TieredBackend(DatabaseBackend(database), large, threshold_bytes=inline_bytes)
    values = BackendValueStorage(backend, **stored)
    return Cache(values, calls, url=str(folder), folder=folder, resources=[database], **common)


def _on_server(
    url: str,
    values: str | os.PathLike[str] | None,
    stored: dict[str, Any],
    database_options: dict[str, Any],
    **common: Any,
) -> Cache:
    from fleche_like.backends import DatabaseBackend, connect
    from fleche_like.database import Database
    from fleche_like.index import SqlCallStorage

    database = Database(url, **database_options)
    calls = SqlCallStorage(database, read_only=database.read_only)
    backend = DatabaseBackend(database) if values is None else connect(values)
    stored_values = BackendValueStorage(backend, **stored)
    return Cache(stored_values, calls, url=redact(url), resources=[database], **common)
