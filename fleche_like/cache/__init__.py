"""Caches: a value storage and a call storage, used together, with a memory tier in front."""

from __future__ import annotations

from fleche_like.cache.budgeted import Budget, BudgetedCache
from fleche_like.cache.cache import MEMORY_BYTES, Cache
from fleche_like.cache.immutable import is_immutable
from fleche_like.cache.leases import Leases
from fleche_like.cache.manifest import Manifest, code_parts, source_parts
from fleche_like.cache.pool import CachePool
from fleche_like.cache.prepared import ArgumentsKept
from fleche_like.cache.stack import CacheStack
from fleche_like.cache.stats import CacheStats
from fleche_like.cache.views import FilteredCache, ReadOnlyCache, RefreshingCache

__all__ = [
    "MEMORY_BYTES",
    "ArgumentsKept",
    "Budget",
    "BudgetedCache",
    "Cache",
    "CachePool",
    "CacheStack",
    "CacheStats",
    "FilteredCache",
    "Leases",
    "Manifest",
    "ReadOnlyCache",
    "RefreshingCache",
    "code_parts",
    "is_immutable",
    "source_parts",
]
