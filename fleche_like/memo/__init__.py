"""The decorator, and which cache it uses.

=======================  ==========================================================================
:mod:`.decorator`        ``@memoize``
:mod:`.memoized`         what it makes: the callable and its tools
:mod:`.engine`           what happens on a call: look up, run, store
:mod:`.code`             the code digest, and whether it still holds
:mod:`.captures`         what a function takes from its closure and module
:mod:`.outputs`          which of those it writes to
:mod:`.metadata`         what is recorded of a call
:mod:`.active`           the cache in use
=======================  ==========================================================================
"""

from __future__ import annotations

from fleche_like.memo.active import current_cache, set_cache, use_cache
from fleche_like.memo.decorator import memoize
from fleche_like.memo.memoized import BoundMemoized, Memoized
from fleche_like.memo.metadata import MetadataSource, RuntimeMetadata
from fleche_like.memo.stats import MemoStats
from fleche_like.memo.types_only import register_by_type

__all__ = [
    "BoundMemoized",
    "MemoStats",
    "Memoized",
    "MetadataSource",
    "RuntimeMetadata",
    "current_cache",
    "memoize",
    "register_by_type",
    "set_cache",
    "use_cache",
]
