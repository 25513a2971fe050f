"""Keeping caches in order: what takes long, can be interrupted at any moment, and run again."""

from __future__ import annotations

from fleche_like.maintenance.evicting import Evicted, evict
from fleche_like.maintenance.findings import Finding, Verified
from fleche_like.maintenance.gc import Collected, gc
from fleche_like.maintenance.reindex import Reindexed, reindex
from fleche_like.maintenance.verify import verify

__all__ = [
    "Collected",
    "Evicted",
    "Finding",
    "Reindexed",
    "Verified",
    "evict",
    "gc",
    "reindex",
    "verify",
]
