"""What must not cross a fork: locks held by threads that the child does not have, connections."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class RenewsAfterFork(Protocol):
    """An object that has something to replace in a forked child."""

    def _renew_after_fork(self) -> None:
        """Replace locks and drop connections, without closing what the parent still uses."""


_renewing: weakref.WeakSet[RenewsAfterFork] = weakref.WeakSet()


def renew_after_fork(instance: RenewsAfterFork) -> None:
    """Have ``instance._renew_after_fork()`` called in every child forked from this process.

    The instance is held weakly; it must be hashable by identity.
    """
    _renewing.add(instance)


def _renew_all() -> None:
    for instance in list(_renewing):
        instance._renew_after_fork()


os.register_at_fork(after_in_child=_renew_all)
