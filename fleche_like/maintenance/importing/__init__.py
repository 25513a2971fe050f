"""Bringing along what other caches hold.

::

    entries.py     what every importer does with an entry: match it to a function, store it
    joblib.py      the folder of a joblib.Memory
    diskcache.py   the folder of a diskcache whose ``memoize`` was used
    fleche.py      a fleche cache
"""

from __future__ import annotations

from fleche_like.maintenance.importing.diskcache import import_diskcache
from fleche_like.maintenance.importing.entries import Adopted
from fleche_like.maintenance.importing.fleche import import_fleche
from fleche_like.maintenance.importing.joblib import import_joblib

__all__ = ["Adopted", "import_diskcache", "import_fleche", "import_joblib"]
