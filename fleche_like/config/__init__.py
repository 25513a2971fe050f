"""Opening caches from a folder or a URL, and where the default one lives."""

from __future__ import annotations

from fleche_like.config.default import default_folder, open_default_cache
from fleche_like.config.opening import index_of, open_cache

__all__ = ["default_folder", "index_of", "open_cache", "open_default_cache"]
