"""The memory tiers of this process that hold results of the same calls."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Final

from fleche_like.support.forks import renew_after_fork

if TYPE_CHECKING:
    from fleche_like.cache.memory import MemoryTier


class Tiers:
    """Memory tiers, held weakly. One who joins holds this."""

    def __init__(self) -> None:
        self._members: tuple[weakref.ref[MemoryTier], ...] = ()

    def join(self, tier: MemoryTier) -> None:
        """Add a tier."""
        with _places.guard:
            alive = (each for each in self._members if each() is not None)
            self._members = (*alive, weakref.ref(tier))

    def members(self) -> Iterator[MemoryTier]:
        """Yield the tiers that are still in use."""
        for each in self._members:
            tier = each()
            if tier is not None:
                yield tier


class _Places:
    """The tiers of all places that are in use in this process."""

    def __init__(self) -> None:
        self.tiers: weakref.WeakValueDictionary[Hashable, Tiers] = weakref.WeakValueDictionary()
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self.guard = threading.Lock()


_places: Final = _Places()


def tiers_at(place: Hashable) -> Tiers:
    """Return the tiers of a place; new ones for ``None``."""
    if place is None:
        return Tiers()
    with _places.guard:
        found = _places.tiers.get(place)
        if found is None:
            found = _places.tiers[place] = Tiers()
        return found
