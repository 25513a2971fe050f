"""The index: calls in SQL tables, found by key, by prefix and by what they hold.

``models`` has the tables, ``schema`` brings a database to them, ``calls`` is the storage.
"""

from __future__ import annotations

from fleche_like.index.calls import SqlCallStorage
from fleche_like.index.schema import (
    check,
    current,
    downgrade,
    history,
    migrations_path,
    stamp,
    upgrade,
)

__all__ = [
    "SqlCallStorage",
    "check",
    "current",
    "downgrade",
    "history",
    "migrations_path",
    "stamp",
    "upgrade",
]
