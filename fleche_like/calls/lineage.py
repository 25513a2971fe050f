"""Lineage: which calls made a value, which used it, and so on from there; spelled out in Python.

A call *makes* its result and the nodes inside it (arrays, frames, digests); it *uses* its
arguments and the nodes inside those. Scalars make no ties, since ``1`` comes from everywhere,
unless they are asked for; neither do empty containers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from fleche_like.calls.call import RESULT, DigestedCall
from fleche_like.calls.parts import Path, all_parts
from fleche_like.hashing import Digest, digest
from fleche_like.support.sentinel import MISSING

MOST_CALLS: Final = 10_000

#: Values that say nothing about where they come from, scalars apart.
EMPTY: Final = frozenset(map(digest, ((), [], {}, b"", set(), frozenset())))


@dataclass(frozen=True)
class LineageQuery:
    """What is asked of a lineage.

    Args:
        key: the call to begin with.
        value: or the digest of the value to begin with.
        up: whether what it came from is wanted.
        down: whether what became of it is wanted.
        depth: how many calls away, ``None`` for any number.
        scalars: whether scalars make ties as well.
        most: how many calls at most, in each direction.
    """

    key: Digest | None = None
    value: Digest | None = None
    up: bool = True
    down: bool = True
    depth: int | None = None
    scalars: bool = False
    most: int = MOST_CALLS


@dataclass
class Related:
    """The calls of a lineage.

    Attributes:
        start: the call it began with, if it began with one that is stored.
        up: what it came from.
        down: what became of it.
        cut: whether there are more than were asked for.
    """

    start: DigestedCall | None = None
    up: list[DigestedCall] = field(default_factory=list)
    down: list[DigestedCall] = field(default_factory=list)
    cut: bool = False


@runtime_checkable
class SupportsLineage(Protocol):
    """A holder of calls that follows lineages itself, better than by looking at every call."""

    def related(self, asked: LineageQuery) -> Related:
        """Return the calls of a lineage; means what :func:`related_in` does."""
        ...


def made_by(call: DigestedCall, *, scalars: bool) -> dict[Digest, str]:
    """Return digests of what a call made, each with what it is called there."""
    if call.result is None:
        return {}
    return dict(_ties(RESULT, call.result, call, scalars))


def used_by(call: DigestedCall, *, scalars: bool) -> dict[Digest, str]:
    """Return digests of what a call used, each with what it is called there."""
    found: dict[Digest, str] = {}
    for name, sealed in call.arguments.items():
        for one, label in _ties(name, sealed, call, scalars):
            found.setdefault(one, label)
    return found


def _ties(
    name: str, sealed: Digest, call: DigestedCall, scalars: bool
) -> Iterator[tuple[Digest, str]]:
    comparable = name in call.scalars or name in call.views
    if scalars or not (comparable or sealed in EMPTY):
        yield sealed, "" if name == RESULT else name
    if name in call.parts:
        for path, part in all_parts(call.parts[name]):
            ties = scalars or part.scalar is MISSING
            if part.digest is not None and ties:
                yield part.digest, _label(name, path)


def _label(name: str, path: Path) -> str:
    inside = "[…]" if path[0] is None else "".join(f"[{item!r}]" for item in path)
    return inside if name == RESULT else f"{name}{inside}"


def related_in(calls: Iterable[DigestedCall], asked: LineageQuery) -> Related:
    """Return those of ``calls`` that are related: the meaning of a lineage, spelled out."""
    known = {call.key: call for call in calls}
    ties = Ties(known.values(), scalars=asked.scalars)
    related = Related(None if asked.key is None else known.get(asked.key))
    for wanted, neighbours, found, begin in (
        (asked.up, ties.sources, related.up, ties.made),
        (asked.down, ties.targets, related.down, ties.used),
    ):
        if wanted:
            first = _first(related.start, asked, neighbours, begin)
            related.cut |= _follow(first, neighbours, found, asked)
    return related


class Ties:
    """Who made and who used what, among some calls."""

    def __init__(self, calls: Iterable[DigestedCall], *, scalars: bool) -> None:
        self.made: dict[Digest, list[DigestedCall]] = defaultdict(list)
        self.used: dict[Digest, list[DigestedCall]] = defaultdict(list)
        self._scalars = scalars
        for call in calls:
            for one in made_by(call, scalars=scalars):
                self.made[one].append(call)
            for one in used_by(call, scalars=scalars):
                self.used[one].append(call)

    def sources(self, call: DigestedCall) -> Iterator[DigestedCall]:
        """Yield the calls that made what ``call`` used."""
        for one in used_by(call, scalars=self._scalars):
            yield from self.made.get(one, ())

    def targets(self, call: DigestedCall) -> Iterator[DigestedCall]:
        """Yield the calls that used what ``call`` made."""
        for one in made_by(call, scalars=self._scalars):
            yield from self.used.get(one, ())


def _first(
    start: DigestedCall | None,
    asked: LineageQuery,
    neighbours: Any,
    begin: Mapping[Digest, list[DigestedCall]],
) -> list[DigestedCall]:
    if start is not None:
        return list(neighbours(start))
    return [] if asked.value is None else list(begin.get(asked.value, ()))


def _follow(
    first: list[DigestedCall], neighbours: Any, found: list[DigestedCall], asked: LineageQuery
) -> bool:
    """Add to ``found`` what is reached; return whether that is not all."""
    seen = {} if asked.key is None else {asked.key: True}
    rank, depth = first, 1
    while rank and (asked.depth is None or depth <= asked.depth):
        following: list[DigestedCall] = []
        for call in rank:
            if call.key in seen:
                continue
            if len(found) >= asked.most:
                return True
            seen[call.key] = True
            found.append(call)
            following += neighbours(call)
        rank, depth = following, depth + 1
    return False
