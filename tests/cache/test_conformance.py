"""Caches and what is composed of them keep one contract."""

from __future__ import annotations

import fleche_like as fl
from fleche_like.backends import MemoryBackend
from fleche_like.cache import Cache, FilteredCache, RefreshingCache
from fleche_like.storage import (
    BackendCallStorage,
    BackendValueStorage,
    InterProcessLockMixin,
    PerKeyLockMixin,
    ReadWriteLockMixin,
)
from fleche_like.testing.caches import CacheSuite


class LockedStack(ReadWriteLockMixin, fl.CacheStack):
    pass


class LockedCache(ReadWriteLockMixin, InterProcessLockMixin, PerKeyLockMixin, Cache):
    pass


def locked(folder):
    plain = fl.open_cache(folder)
    return LockedCache(plain.values, plain.calls, folder=plain.folder, url=plain.url)


class TestCache(CacheSuite):
    def make(self, tmp_path):
        return fl.open_cache(tmp_path / "cache")


class TestCacheOfBytes(CacheSuite):
    outlives_process = False
    explains = False

    def make(self, tmp_path):
        return Cache(BackendValueStorage(MemoryBackend()), BackendCallStorage(MemoryBackend()))


class TestLockedCache(CacheSuite):
    def make(self, tmp_path):
        return locked(tmp_path / "cache")


class TestStack(CacheSuite):
    def make(self, tmp_path):
        return fl.CacheStack(fl.open_cache(tmp_path / "near"), fl.open_cache(tmp_path / "far"))


class TestStackOfThreeKinds(CacheSuite):
    def make(self, tmp_path):
        middle = Cache(BackendValueStorage(MemoryBackend()), BackendCallStorage(MemoryBackend()))
        return fl.CacheStack(fl.open_cache("memory://"), middle, fl.open_cache(tmp_path / "far"))


class TestLockedStackOfLockedCaches(CacheSuite):
    def make(self, tmp_path):
        return LockedStack(locked(tmp_path / "near"), locked(tmp_path / "far"))


class TestStackOfStacks(CacheSuite):
    def make(self, tmp_path):
        lower = fl.CacheStack(fl.open_cache(tmp_path / "middle"), fl.open_cache(tmp_path / "far"))
        return fl.CacheStack(fl.open_cache("memory://"), lower)


class TestRefreshing(CacheSuite):
    answers = False

    def make(self, tmp_path):
        return RefreshingCache(fl.open_cache(tmp_path / "cache"))


class TestFilteredThatTakesAll(CacheSuite):
    def make(self, tmp_path):
        return FilteredCache(fl.open_cache(tmp_path / "cache"), fl.QueryCall())


class TestFilteredByAFunction(CacheSuite):
    def make(self, tmp_path):
        return FilteredCache(fl.open_cache(tmp_path / "cache"), everything)


def everything(call):
    return True
