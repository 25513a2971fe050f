"""Opening the cache that the command line names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fleche_like.cache import Cache
from fleche_like.config import default_folder, open_cache
from fleche_like.config.opening import INDEX_FILE
from fleche_like.errors import CacheNotFound, ConfigError


def open_existing(target: str | None) -> Cache:
    """Open a cache to look at; nothing is made or changed.

    Large arrays are mapped, not read: mostly just their shape is shown.

    Args:
        target: a folder or URL; the default cache if None.

    Raises:
        CacheNotFound: there is none.
        ConfigError: the target makes no sense.
        DatabaseError: it cannot be read.
    """
    return open_cache(_named(target), read_only=True, mmap=True, memory_bytes=0)


def index_url(target: str | None) -> str:
    """Return the SQLAlchemy URL of a cache's index, whatever its schema.

    Raises:
        CacheNotFound: there is none.
        ConfigError: the target has no index of its own.
    """
    text = _named(target)
    if text.startswith("memory:"):
        raise ConfigError("a cache in memory has no index to look after", source="--cache")
    if "://" in text:
        return text
    file = Path(text).expanduser().absolute() / INDEX_FILE
    if not file.exists():
        raise CacheNotFound(f"there is no cache in {file.parent}", url=str(file.parent))
    return f"sqlite:///{quote(str(file))}"


def _named(target: str | None) -> str:
    if target is None:
        return str(default_folder())
    if not target:
        # Most likely a variable that a script left empty: the default cache is not meant.
        raise ConfigError("--cache wants a folder or a URL, not ''", source="--cache")
    return target
