"""The decorator, and which cache it uses.

=======================  ==========================================================================
:mod:`.decorator`        ``@memoize``
:mod:`.policies`         what its options say about running and keeping calls
:mod:`.memoized`         what it makes: the callable and its tools
:mod:`.engine`           the steps of a call: bind, digest, look up, seal
:mod:`.answering`        which step follows which, in threads and on loops
:mod:`.run`              one run of the body, and what is stored of it
:mod:`.flight`           whose turn it is to run a body
:mod:`.waiting`          waiting for somebody else's turn
:mod:`.files`            input files as arguments
:mod:`.isolation`        bodies in a working directory of their own
:mod:`.raised`           exceptions as results
:mod:`.ages`             when results expire
:mod:`.code`             the code digest, and whether it still holds
:mod:`.reach`            which functions, classes and values it depends on: :mod:`.own`,
                         :mod:`.reads`, :mod:`.sites`, :mod:`.contents`, :mod:`.members`,
                         :mod:`.outputs`, :mod:`.dynamic`, :mod:`.types_only`
:mod:`.manifest`         how those count: :mod:`.describe`, :mod:`.packages`, :mod:`.sources`;
                         and whether they still hold: :mod:`.guards`
:mod:`.explain`          why a call would hit or not: :mod:`.nearest`, :mod:`.differences`
:mod:`.audit`            hits that are recomputed and compared: :mod:`.audited`
:mod:`.metadata`         what is recorded of a call
:mod:`.surroundings`     environment and Git as metadata
:mod:`.active`           the cache in use
:mod:`.mapping`          batches of calls: :mod:`.batch`, :mod:`.finding`
:mod:`.executors`        executors that are asked only for what is not stored
:mod:`.binding`          calls that are made later or elsewhere, with their cache
                         (:mod:`.carrying`) and their function (:mod:`.travelling`)
=======================  ==========================================================================
"""

from __future__ import annotations

from fleche_like.memo.active import current_cache, set_cache, use_cache
from fleche_like.memo.audit import Audit
from fleche_like.memo.binding import BoundCall
from fleche_like.memo.decorator import memoize
from fleche_like.memo.differences import Difference
from fleche_like.memo.executors import MemoExecutor, wrap_executor
from fleche_like.memo.explain import Explanation
from fleche_like.memo.files import File
from fleche_like.memo.memoized import BoundMemoized, Memoized
from fleche_like.memo.metadata import MetadataSource, RuntimeMetadata, Tags, only, use_metadata
from fleche_like.memo.raised import Raised
from fleche_like.memo.stats import MemoStats
from fleche_like.memo.surroundings import EnvironmentMetadata, GitMetadata
from fleche_like.memo.types_only import register_by_type

__all__ = [
    "Audit",
    "BoundCall",
    "BoundMemoized",
    "Difference",
    "EnvironmentMetadata",
    "Explanation",
    "File",
    "GitMetadata",
    "MemoExecutor",
    "MemoStats",
    "Memoized",
    "MetadataSource",
    "Raised",
    "RuntimeMetadata",
    "Tags",
    "current_cache",
    "memoize",
    "only",
    "register_by_type",
    "set_cache",
    "use_cache",
    "use_metadata",
    "wrap_executor",
]
