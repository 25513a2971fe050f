"""Which cache memoized functions use that are not bound to one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar

from fleche_like.cache import Cache
from fleche_like.config import open_default_cache
from fleche_like.errors import NotCachedWarning
from fleche_like.memo.warning import warn

_in_context: ContextVar[Cache | None] = ContextVar("fleche_like_cache", default=None)
_opening = threading.Lock()


class _Process:
    """The cache of the whole process, if one was set or opened by default."""

    cache: Cache | None = None


def set_cache(cache: Cache | None) -> None:
    """Use ``cache`` from here on, in every thread of the process.

    Args:
        cache: the cache; ``None`` goes back to the default one.

    Raises:
        TypeError: this is no cache, but perhaps the folder of one.
    """
    _Process.cache = checked_cache(cache)


@contextlib.contextmanager
def use_cache(cache: Cache) -> Iterator[Cache]:
    """Use ``cache`` inside the ``with`` block: in this thread or task only.

    Raises:
        TypeError: this is no cache, but perhaps the folder of one.

    >>> import fleche_like as fl
    >>> with fl.use_cache(fl.open_cache("memory://")) as cache:
    ...     fl.current_cache() is cache
    True
    """
    token = _in_context.set(checked_cache(cache))
    try:
        yield cache
    finally:
        _in_context.reset(token)


def current_cache() -> Cache:
    """Return the cache in use here: of the context, else of the process, else the default one.

    The default cache is opened when it is first needed: ``.fleche-like`` beside the nearest
    ``pyproject.toml`` or ``.git``, else in the user's folder for application data.

    Raises:
        OSError: the default cache could not be opened (a DatabaseError, a folder without
            permission, a full disk).
    """
    return cache_in_use() or _opened()


def cache_in_use() -> Cache | None:
    """Return the cache of the context, else of the process; ``None`` if neither was set."""
    return _in_context.get() or _Process.cache


def checked_cache(cache: Cache | None) -> Cache | None:
    """Return a cache as it is.

    Raises:
        TypeError: this is a folder or URL, most likely; a typo in one should make no new cache.
    """
    if isinstance(cache, str | os.PathLike):
        raise TypeError(f"cache={cache!r} is not an open cache; open_cache({cache!r}) opens one")
    return cache


def _opened() -> Cache:
    with _opening:
        if _Process.cache is None:
            _Process.cache = cache = open_default_cache()
            if cache.read_only:
                warn(f"{cache!r} cannot be written to: nothing is stored", NotCachedWarning)
        return _Process.cache
