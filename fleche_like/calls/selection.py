"""Selections: which calls, in which order, how many; and their plain meaning in Python."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from fleche_like.calls.call import DigestedCall
from fleche_like.calls.expressions import Expression, Ordering
from fleche_like.calls.lazy import LazyCall, Loader
from fleche_like.calls.operands import comparable_form, scalar_class
from fleche_like.calls.scalars import Scalar, is_nan
from fleche_like.calls.template import QueryCall, matches_digested
from fleche_like.errors import QueryError
from fleche_like.support.sentinel import MISSING, Missing

#: Where classes of scalars stand among each other, whichever the direction; all else is last.
_RANKS: Final = {"number": 0, "text": 2, "naive": 3, "aware": 4}
_NAN_RANK: Final = 1
_LAST_RANK: Final = 5


@dataclass(frozen=True)
class Selection:
    """Which calls, in which order, how many.

    Order: numbers, then NaN, texts (by code point), naive datetimes, aware datetimes (by instant),
    and last whatever else there is (bools and ``None`` too) or is absent. Descending reverses
    the values inside these groups and not the groups. Ties, and the last group, are in the order
    of the calls' keys. Without any ordering the storage's own order holds.

    Args:
        template: what every call must match.
        conditions: expressions that must hold, all of them.
        order: what to order by, most significant first.
        limit: at most so many calls, ``None`` for all.
        offset: leave out so many at the beginning.

    Raises:
        QueryError: ``limit`` or ``offset`` is negative.
    """

    template: QueryCall = field(default_factory=QueryCall)
    conditions: tuple[Expression, ...] = ()
    order: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        if self.offset < 0 or (self.limit is not None and self.limit < 0):
            raise QueryError("limit and offset count calls: they cannot be negative")


@runtime_checkable
class SupportsSelection(Protocol):
    """A call storage that answers selections itself, better than by looking at every call."""

    def select(self, selection: Selection, loader: Loader) -> Iterator[DigestedCall]:
        """Yield the calls that are selected; means what :func:`select_from` does."""
        ...

    def count(self, selection: Selection, loader: Loader) -> int:
        """Return how many calls :meth:`select` would yield."""
        ...


def select_from(
    calls: Iterable[DigestedCall], selection: Selection, loader: Loader
) -> Iterator[DigestedCall]:
    """Yield those of ``calls`` that are selected: the meaning of a selection, spelled out.

    Streams unless the selection is ordered.

    Args:
        calls: all calls of a storage.
        selection: which of them.
        loader: gives the values that conditions with paths look into.
    """
    template = selection.template.digested()
    lazy = (LazyCall(call, loader) for call in calls if matches_digested(template, call))
    found = (call for call in lazy if all(part.matches(call) for part in selection.conditions))
    ordered = _ordered(found, selection.order) if selection.order else found
    stop = None if selection.limit is None else selection.offset + selection.limit
    return (call.digested for call in itertools.islice(ordered, selection.offset, stop))


def place(call: LazyCall, order: tuple[Ordering, ...]) -> tuple[Any, ...]:
    """Return what an ordered selection sorts a call by: ties by its key."""
    return (*(_place(call, by) for by in order), call.key)


def _ordered(calls: Iterable[LazyCall], order: tuple[Ordering, ...]) -> list[LazyCall]:
    return sorted(calls, key=lambda call: place(call, order))


def _place(call: LazyCall, by: Ordering) -> tuple[int, Any]:
    operand = by.field.read(call)
    value = MISSING if operand is None else operand.scalar
    rank = _rank(value)
    if value is MISSING or rank in {_NAN_RANK, _LAST_RANK}:
        return rank, 0
    form = comparable_form(value)
    return rank, _Reversed(form) if by.descending else form


def _rank(value: Scalar | Missing) -> int:
    if is_nan(value):
        return _NAN_RANK
    return _LAST_RANK if value is MISSING else _RANKS.get(scalar_class(value), _LAST_RANK)


class _Reversed:
    """Sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and bool(self.value == other.value)

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    __hash__ = None  # type: ignore[assignment]
