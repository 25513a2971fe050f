"""Databases: one bounded pool of connections per URL, prepared text, units of work.

``sqlite`` and ``servers`` hold what differs between database systems; everything above speaks to
:class:`Database` alone.
"""

from fleche_like.database.database import Database
from fleche_like.database.locks import AdvisoryLocks
from fleche_like.database.prepare import Parameters, Prepared, Row

__all__ = ["AdvisoryLocks", "Database", "Parameters", "Prepared", "Row"]
