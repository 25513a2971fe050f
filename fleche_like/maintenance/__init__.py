"""Keeping caches in order: what takes long, can be interrupted at any moment, and run again."""

from __future__ import annotations

from fleche_like.maintenance.reindex import Reindexed, reindex

__all__ = ["Reindexed", "reindex"]
