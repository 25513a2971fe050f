"""A unit of work: the writes of one thread that commit together."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from fleche_like.database.driver import Connection


class Unit:
    """The open transaction of a thread.

    Blocks nest without savepoints, which would cost a quarter of a small transaction: a nested
    block that fails after something was written dooms the whole unit.

    Attributes:
        connection: what the transaction runs on; ``None`` until the first write, so that reading
            and preparing hold no lock.
        doom: the error of a nested block that failed; nothing of the unit can commit any more.
        committed: what to call when the unit has committed.
        undone: what to call when it was rolled back.
        owner: the outermost block, or what leaves it, held weakly: a unit whose block is gone was
            left by an interrupt (Ctrl-C) that came while the block was being entered or left.
    """

    __slots__ = ("committed", "connection", "doom", "owner", "undone")

    def __init__(self, owner: weakref.ref[Any]) -> None:
        self.owner = owner
        self.connection: Connection | None = None
        self.doom: BaseException | None = None
        self.committed: list[Callable[[], None]] = []
        self.undone: list[Callable[[], object]] = []

    def rolled_back(self, committed: int = 0, undone: int = 0) -> None:
        """Forget what waits for the commit, and call what waits for a rollback.

        Args:
            committed: so many were there before the block that failed, and stay.
            undone: the same of the others.
        """
        del self.committed[committed:]
        calls = self.undone[undone:]
        del self.undone[undone:]
        for call in calls:
            call()
