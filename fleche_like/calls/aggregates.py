"""Aggregates over calls, grouped or not: their meaning, spelled out in Python.

Groups. Values that ``==`` takes for equal are one group: ``1`` and ``1.0``, and moments that are
one instant, but not ``True``. NaN is one group, ``None`` is one, what is no scalar is grouped by
digest, and calls that lack the field are a group of their own.

Measures. ``count()`` counts calls, ``count`` of a field those that have it. ``sum mean std`` take
numbers alone (never bools, never NaN); ``std`` is that of a sample. ``min`` and ``max`` are of the
numbers if there are any, else of what else is ordered: bools before texts before naive before
aware datetimes. Numbers come out as ``int`` if all that went in were, else as ``float``; so does a
sum up to 2**53. Aware datetimes come out in UTC. What there is nothing to make of is ``MISSING``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from fleche_like.calls.call import DigestedCall
from fleche_like.calls.expressions import Aggregate, Field, Measure
from fleche_like.calls.lazy import LazyCall, Loader
from fleche_like.calls.operands import Operand, comparable_form, scalar_class
from fleche_like.calls.scalars import Scalar, is_nan
from fleche_like.calls.selection import Selection, select_from
from fleche_like.hashing import Digest
from fleche_like.support.sentinel import MISSING

GroupKey: TypeAlias = tuple[tuple[int, Any], ...]
"""For each field a rank and what tells groups of that rank apart; sorts as groups are listed."""

_NUMBER, _NAN, _TEXT, _NAIVE, _AWARE, _BOOL, _NONE, _OTHER, _ABSENT = range(9)
_RANKS: Final = {
    "number": _NUMBER,
    "text": _TEXT,
    "naive": _NAIVE,
    "aware": _AWARE,
    "bool": _BOOL,
    "none": _NONE,
}
_EXTREMES: Final = {"bool": 0, "text": 1, "naive": 2, "aware": 3}
_EXACT: Final = 2**53


@dataclass
class Tally:
    """What is kept of the values of one field in one group; two of them add up.

    Attributes:
        present: how many calls have the field.
        numbers: how many of them have a number there.
        floats: how many of those are floats.
        total: their sum.
        low: the smallest of them.
        high: the largest of them.
        first: the smallest of what else is ordered, as class and form.
        last: the largest of it.
        deviation: the sum of the numbers' distances from a given centre.
        squares: the sum of the squares of these.
    """

    present: int = 0
    numbers: int = 0
    floats: int = 0
    total: int | float = 0
    low: int | float | None = None
    high: int | float | None = None
    first: tuple[int, Any] | None = None
    last: tuple[int, Any] | None = None
    deviation: float = 0.0
    squares: float = 0.0

    def take(self, operand: Operand | None, centre: float) -> None:
        """Add the value of one call."""
        if operand is None:
            return
        self.present += 1
        value = operand.scalar
        if value is MISSING or value is None or is_nan(value):
            return
        kind = scalar_class(value)
        if kind == "number":
            self._take_number(value, centre)
        else:
            place = (_EXTREMES[kind], comparable_form(value))
            self.first = place if self.first is None else min(self.first, place)
            self.last = place if self.last is None else max(self.last, place)

    def _take_number(self, value: Any, centre: float) -> None:
        self.numbers += 1
        self.floats += type(value) is float
        self.total = added(self.total, value)
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)
        distance = as_float(value) - centre
        self.deviation += distance
        self.squares += distance * distance

    def add(self, other: Tally) -> None:
        """Add what is kept of other calls, with the same centre."""
        self.present += other.present
        self.numbers += other.numbers
        self.floats += other.floats
        self.total = added(self.total, other.total)
        self.low = _one_of(min, self.low, other.low)
        self.high = _one_of(max, self.high, other.high)
        self.first = _one_of(min, self.first, other.first)
        self.last = _one_of(max, self.last, other.last)
        self.deviation += other.deviation
        self.squares += other.squares

    def figure(self, measure: Measure) -> Any:
        """Return a measure; ``MISSING`` if there is nothing to make it of."""
        if measure == "count":
            return self.present
        if measure in {"min", "max"}:
            number, place = (self.low, self.first) if measure == "min" else (self.high, self.last)
            return self._extreme(number, place)
        if self.numbers == 0:
            return MISSING
        if measure == "sum":
            return self._sum()
        return self._mean() if measure == "mean" else self._std()

    def _extreme(self, number: float | None, place: tuple[int, Any] | None) -> Any:
        if number is not None:
            return as_float(number) if self.floats else number
        return MISSING if place is None else _value_at(place)

    def _sum(self) -> int | float:
        whole = self.floats == 0 and abs(self.total) < _EXACT
        return int(self.total) if whole else as_float(self.total)

    def _mean(self) -> float:
        return as_float(self.total) / self.numbers

    def _std(self) -> Any:
        if self.numbers < 2:
            return MISSING
        spread = self.squares - self.deviation * (self.deviation / self.numbers)
        if not math.isfinite(spread):  # beyond what doubles hold
            return math.nan
        return math.sqrt(max(spread, 0) / (self.numbers - 1))


@dataclass
class Group:
    """One group of calls.

    Attributes:
        labels: what is shown for the group, for each field that calls are grouped by.
        calls: how many there are.
        tallies: for each field that is measured.
    """

    labels: tuple[Any, ...]
    calls: int = 0
    tallies: list[Tally] = field(default_factory=list)

    def add(self, other: Group) -> None:
        """Add other calls of the same group."""
        pairs = zip(self.labels, other.labels, strict=True)
        self.labels = tuple(merged_label(mine, theirs) for mine, theirs in pairs)
        self.calls += other.calls
        for mine, theirs in zip(self.tallies, other.tallies, strict=True):
            mine.add(theirs)


Groups: TypeAlias = dict[GroupKey, Group]


class Grouping:
    """What is asked: by which fields, and which figures.

    Args:
        by: the fields to group by.
        aggregates: the figures by name.
    """

    def __init__(self, by: Sequence[Field], aggregates: Mapping[str, Aggregate]) -> None:
        self.by = tuple(by)
        self.aggregates = dict(aggregates)
        measured = (one.field for one in self.aggregates.values() if one.field is not None)
        self.measured: list[Field] = []
        self._places: dict[Any, int] = {}
        for one in measured:
            if _identity(one) not in self._places:
                self._places[_identity(one)] = len(self.measured)
                self.measured.append(one)

    @property
    def counts_calls(self) -> bool:
        """Whether it is asked how many calls there are, whatever they have."""
        return any(one.field is None for one in self.aggregates.values())

    def measures_of(self, place: int) -> set[Measure]:
        """Return the measures of one of the measured fields."""
        mine = _identity(self.measured[place])
        fields = ((one.measure, one.field) for one in self.aggregates.values())
        return {measure for measure, one in fields if one is not None and _identity(one) == mine}

    def figures(self, groups: Groups) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Yield labels and figures by name, in the order of the groups."""
        if not self.by and not groups:
            groups = {(): Group((), 0, [Tally() for _ in self.measured])}
        for key in sorted(groups):
            group = groups[key]
            yield (
                group.labels,
                {name: self._figure(one, group) for name, one in self.aggregates.items()},
            )

    def _figure(self, one: Aggregate, group: Group) -> Any:
        if one.field is None:
            return group.calls
        return group.tallies[self._places[_identity(one.field)]].figure(one.measure)


@runtime_checkable
class SupportsAggregation(Protocol):
    """A holder of calls that aggregates them itself, better than by looking at every call."""

    def aggregate(self, selection: Selection, grouping: Grouping, loader: Loader) -> Groups:
        """Return the groups of the calls that are selected; means what :func:`grouped` does."""
        ...


def aggregate_from(
    calls: Iterable[DigestedCall], selection: Selection, grouping: Grouping, loader: Loader
) -> Groups:
    """Return the groups of those of ``calls`` that are selected."""
    found = select_from(calls, selection, loader)
    return grouped((LazyCall(call, loader) for call in found), grouping)


def grouped(
    calls: Iterable[LazyCall], grouping: Grouping, centres: Sequence[float] | None = None
) -> Groups:
    """Return the groups of calls: the meaning of aggregates, spelled out.

    Args:
        calls: read once.
        grouping: what is asked.
        centres: a number near the mean of each measured field; the first value if left out.
    """
    groups: Groups = {}
    near = list(centres) if centres is not None else [math.nan] * len(grouping.measured)
    for call in calls:
        keyed = [_key(one.read(call)) for one in grouping.by]
        key = tuple((rank, form) for rank, form, _ in keyed)
        group = groups.get(key)
        labels = tuple(label for _, _, label in keyed)
        if group is None:
            group = groups[key] = Group(labels, 0, [Tally() for _ in grouping.measured])
        group.add(
            Group(
                labels, 1, [_tally(one, call, near, at) for at, one in enumerate(grouping.measured)]
            )
        )
    return groups


def merge(groups: Groups, others: Groups) -> None:
    """Add groups of other calls."""
    for key, group in others.items():
        if key in groups:
            groups[key].add(group)
        else:
            groups[key] = group


def key_of_scalar(value: Scalar) -> tuple[int, Any]:
    """Return the key of the group that a scalar belongs to."""
    if is_nan(value):
        return _NAN, 0
    return _RANKS[scalar_class(value)], 0 if value is None else comparable_form(value)


def key_of_digest(digest: Digest) -> tuple[int, Any]:
    """Return the key of the group of what is no scalar."""
    return _OTHER, digest


ABSENT: Final[tuple[int, Any]] = (_ABSENT, 0)
"""The key of the group of calls that lack a field."""


def label_of_scalar(value: Scalar) -> Scalar:
    """Return how a group is shown that has this value in it."""
    if isinstance(value, datetime):
        return value.replace(fold=0) if value.utcoffset() is None else in_utc(value)
    if is_nan(value):  # with whatever sign and payload
        return math.nan
    return value + 0.0 if type(value) is float else value  # no negative zero


def merged_label(mine: Any, other: Any) -> Any:
    """Return how a group is shown that is shown as ``mine`` by some and as ``other`` by others."""
    return other if type(mine) is float and type(other) is int else mine


def in_utc(value: datetime) -> datetime:
    """Return a moment in UTC; as it is where that is out of the calendar."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value


def as_float(value: float) -> float:
    """Return the float nearest to a number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def added(mine: float, other: float) -> int | float:
    """Return a sum, of which ints are exact."""
    if type(mine) is int and type(other) is int:
        return mine + other
    return as_float(mine) + as_float(other)


def _key(operand: Operand | None) -> tuple[int, Any, Any]:
    if operand is None:
        return (*ABSENT, MISSING)
    value = operand.scalar
    if value is not MISSING:
        return (*key_of_scalar(value), label_of_scalar(value))
    sealed = operand.sealed if isinstance(operand.sealed, Digest) else operand.sealed()
    return (*ABSENT, MISSING) if sealed is MISSING else (*key_of_digest(sealed), sealed)


def _tally(one: Field, call: LazyCall, near: list[float], place: int) -> Tally:
    operand = one.read(call)
    value = None if operand is None else operand.scalar
    if math.isnan(near[place]) and type(value) in {int, float} and not is_nan(value):
        near[place] = as_float(value)  # type: ignore[arg-type]
    tally = Tally()
    tally.take(operand, near[place])
    return tally


def _one_of(choose: Any, mine: Any, other: Any) -> Any:
    if mine is None or other is None:
        return other if mine is None else mine
    return choose(mine, other)


def _value_at(place: tuple[int, Any]) -> Any:
    """Return the value of a class and form, as :meth:`Tally.take` has it."""
    kind, form = place
    return moment_at(form, aware=kind == _EXTREMES["aware"]) if kind >= 2 else form


def moment_at(instant: int, *, aware: bool) -> Any:
    """Return the moment of so many microseconds since 1970."""
    start = datetime(1970, 1, 1, tzinfo=UTC) if aware else datetime(1970, 1, 1)  # noqa: DTZ001
    try:
        return start + timedelta(microseconds=instant)
    except OverflowError:  # out of the calendar in UTC
        return MISSING


def _identity(one: Field) -> tuple[Any, ...]:
    return one.kind, one.name, tuple((type(item), item) for item in one.path)
