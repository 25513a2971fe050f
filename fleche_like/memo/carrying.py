"""Caches that go along with calls to other processes, and are opened once in each."""

from __future__ import annotations

import collections
import contextlib
import pickle
import threading
import uuid
import weakref
from contextlib import AbstractContextManager
from typing import Any, Final

from fleche_like.cache import Cache
from fleche_like.config import open_cache
from fleche_like.errors import NotCachedWarning
from fleche_like.memo.active import cache_in_use, current_cache, use_cache
from fleche_like.memo.warning import warn
from fleche_like.support.forks import renew_after_fork

_MOST_OPEN: Final = 8
"""Caches that came from elsewhere and stay open here; the least recently used one goes."""

_IN_MEMORY: Final = "memory://"


class _Process:
    """The caches that have come to this process, and what those that left are called."""

    def __init__(self) -> None:
        self.arrived: collections.OrderedDict[bytes, Cache] = collections.OrderedDict()
        # By identity: a cache that goes to a forked child, or round a loop, is the one it was.
        self.sent: weakref.WeakValueDictionary[bytes, Cache] = weakref.WeakValueDictionary()
        self.names: weakref.WeakKeyDictionary[Cache, bytes] = weakref.WeakKeyDictionary()
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self.guard = threading.Lock()

    def send(self, cache: Cache) -> bytes:
        with self.guard:
            found = self.names.get(cache)
            if found is None:
                found = self.names[cache] = _packed(cache)
                self.sent[found] = cache
                _warn_if_it_stays(cache)
            return found

    def receive(self, packed: bytes) -> Cache:
        with self.guard:
            cache = self.sent.get(packed)
            if cache is not None:
                return cache
            cache = self.arrived.pop(packed, None) or _opened(packed)
            self.arrived[packed] = cache
            if len(self.arrived) > _MOST_OPEN:
                self.arrived.popitem(last=False)
            return cache


def _packed(cache: Cache) -> bytes:
    """Return the pickle of a cache, which tells it from others.

    What lives in memory is equal to any other by its configuration, so it gets a name of its own.
    """
    name = uuid.uuid4().bytes if cache.url == _IN_MEMORY else None
    return pickle.dumps((cache, name), 5)


def _opened(packed: bytes) -> Cache:
    try:
        cache: Cache = pickle.loads(packed)[0]
    except Exception as problem:  # noqa: BLE001  whatever it is, it costs the caching alone
        warn(
            f"the cache that came with a call cannot be opened here, so that results are not "
            f"stored: {type(problem).__name__}: {problem}",
            NotCachedWarning,
        )
        return open_cache(_IN_MEMORY)
    return cache


def _warn_if_it_stays(cache: Cache) -> None:
    if cache.url == _IN_MEMORY:
        warn(
            "a memory:// cache goes with its process: what another process computes is returned, "
            "but not stored",
            NotCachedWarning,
        )


_process: Final = _Process()


class CarriedCache:
    """The cache that calls in another thread or process are to use; picklable.

    Args:
        cache: the cache; ``None`` for the one in use there.

    What is pickled is the cache's configuration, without secrets. All that arrive in one process
    share one opened cache. A ``memory://`` cache goes with its process: in another one an empty
    one takes its place, as it does for a cache that cannot be opened there; a
    :class:`~fleche_like.NotCachedWarning` says so.
    """

    __slots__ = ("cache",)

    def __init__(self, cache: Cache | None) -> None:
        self.cache = cache

    def in_use(self) -> AbstractContextManager[Any]:
        """Return a context in which this is the cache in use."""
        return contextlib.nullcontext() if self.cache is None else use_cache(self.cache)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.cache is None:
            return CarriedCache, (None,)
        return _arrived, (_process.send(self.cache),)


def carried_for(bound: Cache | None) -> CarriedCache:
    """Return what goes along with calls made here.

    Args:
        bound: the cache that the function is bound to. The one in use goes along all the same, for
            what the function calls; but the default one is not opened for that.
    """
    try:
        return CarriedCache(cache_in_use() if bound is not None else current_cache())
    except OSError:  # the call that is made will say so
        return CarriedCache(None)


def _arrived(packed: bytes) -> CarriedCache:
    return CarriedCache(_process.receive(packed))
