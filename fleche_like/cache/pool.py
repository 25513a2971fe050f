"""Several caches to read from as one."""

from __future__ import annotations

from fleche_like.cache.cache import Cache
from fleche_like.cache.composed import Composed


class CachePool(Composed):
    """What any of some caches holds, to read only.

    Args:
        *caches: where several hold a call, the first one's counts.

    Raises:
        ConfigError: there are no caches.

    What a memoized function computes under a pool is returned and not stored. Queries, lineages
    and short digests are those of all caches together. Thread-safe as they are; closing the pool
    closes them.

    >>> import fleche_like as fl
    >>> ours, theirs = fl.open_cache("memory://"), fl.open_cache("memory://")
    >>> key = theirs.save(fl.Call("f", {"x": 1}, result=2))
    >>> CachePool(ours, theirs).lookup(key)
    2
    """

    def __init__(self, *caches: Cache) -> None:
        super().__init__(caches, None)
