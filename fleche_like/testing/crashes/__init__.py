"""Writers that are killed at random moments, and what must hold afterwards.

:func:`torture` starts processes that compute, store, replace and evict calls in one cache, kills
them with SIGKILL, lets a fresh process look at what they left, and goes on. Where the cache is, is
said by a :class:`Place`; make one of your own for storages of your own.

Needs an operating system that has SIGKILL and the ``forkserver`` of :mod:`multiprocessing`.
"""

from __future__ import annotations

from fleche_like.testing.crashes.chores import collecting, reindexing, verifying
from fleche_like.testing.crashes.harness import LONGEST_S, Report, torture
from fleche_like.testing.crashes.places import EmbeddedPlace, Place, ServerPlace

__all__ = [
    "LONGEST_S",
    "EmbeddedPlace",
    "Place",
    "Report",
    "ServerPlace",
    "collecting",
    "reindexing",
    "torture",
    "verifying",
]
