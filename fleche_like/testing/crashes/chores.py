"""Maintenance that others do while writers write, and that must stand being killed as they do."""

from __future__ import annotations

from fleche_like.maintenance import gc, reindex, verify
from fleche_like.testing.crashes.places import Place


def reindexing(place: Place) -> None:
    """Rebuild the index of a cache in a database."""
    with place.open() as cache:
        reindex(cache.calls.database, show_progress=False)  # type: ignore[attr-defined]


def collecting(place: Place) -> None:
    """Remove what nothing uses, however young; good for a cache with its index in SQLite."""
    with place.open() as cache:
        gc(cache, grace=0, show_progress=False)


def verifying(place: Place) -> None:
    """Verify a cache; damage is a failure."""
    with place.open() as cache:
        found = verify(cache, show_progress=False)
    assert found.is_sound, found
