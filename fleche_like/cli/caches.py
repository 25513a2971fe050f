"""Opening the cache that the command line names."""

from __future__ import annotations

from pathlib import Path

from fleche_like.cache import Cache
from fleche_like.config import default_target, index_of, load_settings, open_cache
from fleche_like.errors import CacheNotFound, ConfigError


def open_existing(target: str | None) -> Cache:
    """Open a cache to look at; nothing is made or changed.

    Large arrays are mapped, not read: mostly just their shape is shown.

    Args:
        target: a folder, a URL or ``@name``; the default cache if None.

    Raises:
        CacheNotFound: there is none.
        ConfigError: the target makes no sense.
        DatabaseError: it cannot be read.
    """
    try:
        return open_cache(_named(target), read_only=True, mmap=True, memory_bytes=0)
    except CacheNotFound as error:
        raise _with_hint(error, target) from None


def open_to_change(target: str | None) -> Cache:
    """Open a cache to change it; it is not made if it is not there.

    Args:
        target: a folder or URL; the default cache if None.

    Raises:
        As :func:`open_existing`.
        ReadOnlyError: nobody may write to it.
    """
    existing_index(target)
    return open_cache(_named(target), memory_bytes=0)


def existing_index(target: str | None) -> str | Path:
    """Return the file or URL of a cache's index, whatever its schema.

    Raises:
        CacheNotFound: there is none.
        ConfigError: the target has no index of its own.
    """
    place = index_of(_named(target))
    if isinstance(place, Path) and not place.exists():
        missing = CacheNotFound(f"there is no cache in {place.parent}", url=str(place.parent))
        raise _with_hint(missing, target)
    return place


def open_or_make(target: str | None, *, dry_run: bool = False) -> Cache:
    """Open a cache to bring calls to; it is made if it is not there.

    Args:
        target: a folder or URL; the default cache if None.
        dry_run: nothing is to be changed: an empty one stands for what is not there.

    Raises:
        ConfigError: the target makes no sense.
        ReadOnlyError: nobody may write to it.
        DatabaseError: it cannot be used.
    """
    if not dry_run:
        return open_cache(_named(target), memory_bytes=0)
    try:
        return open_existing(target)
    except CacheNotFound:
        return open_cache("memory://")


def _with_hint(error: CacheNotFound, target: str | None) -> CacheNotFound:
    """Return the error, and say so where a configured cache was perhaps meant."""
    if target is None or target not in load_settings().caches:
        return error
    return CacheNotFound(f"{error.message}; did you mean --cache @{target}?", url=error.url)


def _named(target: str | None) -> str:
    if target is None:
        return default_target()
    if not target:
        # Most likely a variable that a script left empty: the default cache is not meant.
        raise ConfigError("--cache wants a folder or a URL, not ''", source="--cache")
    return target
