"""Faults on purpose: errors, torn writes, full disks, lost connections and deaths, on schedule.

What goes wrong is said once, as :class:`Fault`; where, by what is wrapped: a byte backend
(:class:`FaultyBackend`), a call storage (:class:`FaultyCallStorage`), or the statements of a
database (:func:`inject`). One :class:`Faults` may serve several of them, which are then counted
together: so that "the n-th thing that a save does" is one number, and every n can be tried::

    steps = Faults()                                 # no fault: counts only
    save_through(FaultyBackend(MyBackend(), steps))
    for n in range(1, steps.count + 1):
        for effect in (Fails(), Fails("no room"), Torn(0.5), Fails(KeyboardInterrupt())):
            save_through(FaultyBackend(MyBackend(), Faults(Fault(effect, at=n))))
            ...                                      # and what must hold, holds
"""

from __future__ import annotations

from fleche_like.testing.faults.backend import FaultyBackend
from fleche_like.testing.faults.database import inject
from fleche_like.testing.faults.effects import Delayed, Dies, Effect, Fails, Kind, Site, Torn
from fleche_like.testing.faults.plan import Fault, Faults
from fleche_like.testing.faults.storage import FaultyCallStorage

__all__ = [
    "Delayed",
    "Dies",
    "Effect",
    "Fails",
    "Fault",
    "Faults",
    "FaultyBackend",
    "FaultyCallStorage",
    "Kind",
    "Site",
    "Torn",
    "inject",
]
