"""A unit of work: the writes of one thread that commit together."""

from __future__ import annotations

from collections.abc import Callable

from fleche_like.database.driver import Connection


class Level:
    """One nested block of a unit.

    Attributes:
        marked: whether its savepoint has been set; that happens at the block's first write.
        committed: what to call when the whole unit has committed.
        undone: what to call when the block was rolled back.
    """

    __slots__ = ("committed", "marked", "undone")

    def __init__(self) -> None:
        self.marked = False
        self.committed: list[Callable[[], None]] = []
        self.undone: list[Callable[[], object]] = []

    def rolled_back(self) -> None:
        """Call what waits for a rollback."""
        for call in self.undone:
            call()


class Unit:
    """The open transaction of a thread.

    Attributes:
        connection: what the transaction runs on; ``None`` until the first write, so that reading
            and preparing hold no lock.
        levels: the open blocks, outermost first.
    """

    __slots__ = ("connection", "levels")

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.levels = [Level()]

    def unmarked(self) -> list[int]:
        """Return the depths of nested blocks that still lack their savepoint."""
        return [depth for depth, level in enumerate(self.levels) if depth and not level.marked]
