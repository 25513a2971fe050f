"""What has to happen around a fork so that parent and child never share a connection.

SQLite keeps, per process, a table of the locks it holds on each file. A child inherits that table
but not the locks, so that even connections it opens afresh would believe to hold them. Therefore
every connection is closed *before* the fork (the parent reopens them when it needs them), which
also makes sure that no thread is inside SQLite with one of its mutexes held.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class CrossesForks(Protocol):
    """An object that prepares for a fork."""

    def _before_fork(self) -> None: ...
    def _after_fork_in_parent(self) -> None: ...
    def _after_fork_in_child(self) -> None: ...


_crossing: weakref.WeakSet[CrossesForks] = weakref.WeakSet()
_prepared: list[CrossesForks] = []


def watch(instance: CrossesForks) -> None:
    """Call the hooks of ``instance``, which is held weakly, around every fork."""
    _crossing.add(instance)


def _before() -> None:
    _prepared[:] = list(_crossing)
    for instance in _prepared:
        instance._before_fork()


def _in_parent() -> None:
    while _prepared:
        _prepared.pop()._after_fork_in_parent()


def _in_child() -> None:
    while _prepared:
        _prepared.pop()._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
