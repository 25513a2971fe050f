"""Blocks of a unit of work: what ``with database.transaction()`` enters and leaves."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fleche_like.database.unit import Unit

if TYPE_CHECKING:
    from fleche_like.database.database import Database


class _Leaving:
    """Gives each ``with`` an ``__exit__`` of its own, which lives exactly as long.

    A block lives longer: after an interrupt its traceback holds it, in a notebook until the next
    one, and so does every frame of what leaves it.
    """

    def __get__(self, block: Block | None, _kind: type[Block]) -> Callable[..., None]:
        if block is None:
            return Block.leave
        leaving = functools.partial(Block.leave, block)
        block._leaving = weakref.ref(leaving)
        return leaving


def _nobody() -> None:
    return None


class Block:
    """One block of a unit of work, the outermost or one inside it.

    A class, because a generator costs three times as much, and every save has three of these.
    """

    __slots__ = ("__weakref__", "_before", "_database", "_leaving", "_unit")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leaving: Callable[[], Any] = _nobody

    def __enter__(self) -> None:
        database = self._database
        units, thread = database._units, get_ident()
        unit = units.get(thread)
        self._before: tuple[int, int] | None = None
        if unit is not None and unit.owner() is None:
            database._abandon(unit)
            unit = None
        if unit is None:
            owner = weakref.ref(self._leaving() or self, database._left)
            unit = units[thread] = Unit(owner)
        else:
            self._before = len(unit.committed), len(unit.undone)
        self._unit = unit

    if TYPE_CHECKING:

        def __exit__(self, *_: object) -> None: ...

    else:
        __exit__ = _Leaving()

    def leave(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """End the block."""
        unit = self._unit
        if self._before is not None:
            if error is not None:
                self._fail_within(unit, self._before, error)
            return
        self._database._end(unit, commit=error is None and unit.doom is None)
        if error is None and unit.doom is not None:
            raise self._database._doomed(unit.doom) from unit.doom

    @staticmethod
    def _fail_within(unit: Unit, before: tuple[int, int], error: BaseException) -> None:
        if unit.connection is None:
            unit.rolled_back(*before)  # nothing was written: the others may go on
        elif unit.doom is None:
            unit.doom = error
