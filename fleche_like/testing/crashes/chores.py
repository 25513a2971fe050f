"""Maintenance that others do while writers write, and that must stand being killed as they do."""

from __future__ import annotations

from fleche_like.maintenance import reindex
from fleche_like.testing.crashes.places import Place


def reindexing(place: Place) -> None:
    """Rebuild the index of a cache in a database."""
    with place.open() as cache:
        reindex(cache.calls.database, show_progress=False)  # type: ignore[attr-defined]
