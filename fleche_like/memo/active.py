"""Which cache memoized functions use that are not bound to one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar

from fleche_like.cache import Cache
from fleche_like.config import open_default_cache

_in_context: ContextVar[Cache | None] = ContextVar("fleche_like_cache", default=None)
_opening = threading.Lock()


class _Process:
    """The cache of the whole process, if one was set or opened by default."""

    cache: Cache | None = None


def set_cache(cache: Cache | None) -> None:
    """Use ``cache`` from here on, in every thread of the process.

    Args:
        cache: the cache; ``None`` goes back to the default one.
    """
    _Process.cache = cache


@contextlib.contextmanager
def use_cache(cache: Cache) -> Iterator[Cache]:
    """Use ``cache`` inside the ``with`` block: in this thread or task only.

    >>> import fleche_like as fl
    >>> with fl.use_cache(fl.open_cache("memory://")) as cache:
    ...     fl.current_cache() is cache
    True
    """
    token = _in_context.set(cache)
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


def _opened() -> Cache:
    with _opening:
        if _Process.cache is None:
            _Process.cache = open_default_cache()
        return _Process.cache
