"""Bringing batches of calls, with all that belongs to them, from one cache to another."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from fleche_like.cache import Cache
from fleche_like.cache.abilities import contained, place_of_calls
from fleche_like.cache.composed import Composed
from fleche_like.cache.saving import UnitOfWork
from fleche_like.calls import DigestedCall
from fleche_like.errors import ConfigError
from fleche_like.hashing import Digest
from fleche_like.maintenance.bulk import (
    save_all,
    stored,
    usages_of,
)
from fleche_like.maintenance.manifests import ManifestCopier
from fleche_like.maintenance.parts import named_by, result_of
from fleche_like.storage.replicate import Copied, ValueCopier

Wins: TypeAlias = Callable[[DigestedCall, DigestedCall], bool]
"""Whether a call replaces the one that the target has under its key, with another result."""


@dataclass
class Transferred:
    """What a transfer did; of a dry run, what it would have done.

    Attributes:
        copied: calls that the target did not have.
        replaced: calls that it had with another result, and has with this one now.
        present: calls that it had with the same result.
        kept: calls that it has with another result, left alone without ``overwrite``.
        incomplete: calls whose result is gone or damaged at the source; they were left there.
        popped: calls that were evicted from the source, since the target has them.
        values: values that were written.
        size_bytes: bytes of these, where they are known: none of a dry run, nor of values that
            were loaded and saved again.
    """

    copied: int = 0
    replaced: int = 0
    present: int = 0
    kept: int = 0
    incomplete: int = 0
    popped: int = 0
    values: int = 0
    size_bytes: int = 0


def refuse_same(source: Cache, target: Cache) -> None:
    """Refuse to move calls from a cache to itself: what is popped there would be lost.

    Raises:
        ConfigError: both are the same, or have their calls in the same place.
    """
    if source is target or not places_of(source).isdisjoint(places_of(target)):
        raise ConfigError("source and target are the same cache", source="transfer")


def places_of(cache: Cache) -> set[Hashable]:
    """Return where a cache, or each of those that it is composed of, has its calls."""
    if isinstance(cache, Composed):
        return {place for member in cache.members for place in places_of(member)}
    place = place_of_calls(cache.calls)
    if place is not None:
        return {place}
    backend = getattr(cache.calls, "backend", cache.calls)
    return {id(backend), getattr(backend, "url", None) or id(backend)}


@dataclass
class Sorted:
    """The calls of a batch by what is to be done with them.

    Attributes:
        new: the target does not have them.
        other: the target has them with another result, each with the call that it has.
        same: the target has them with the same result.
    """

    new: list[DigestedCall] = field(default_factory=list)
    other: list[tuple[DigestedCall, DigestedCall]] = field(default_factory=list)
    same: list[DigestedCall] = field(default_factory=list)


def sort_out(calls: Sequence[DigestedCall], target: Cache) -> Sorted:
    """Compare calls with what a cache has under their keys."""
    found = Sorted()
    there = contained(target.calls, [call.key for call in calls])
    for call in calls:
        theirs = stored(target, call.key) if call.key in there else None
        if theirs is None:
            found.new.append(call)
        elif theirs.result == call.result:
            found.same.append(call)
        else:
            found.other.append((call, theirs))
    return found


class _Written(NamedTuple):
    """What one transaction wrote: values, and manifests; and the keys of calls without result."""

    values: Copied
    lost: set[Digest]
    codes: set[Digest]


class Mover:
    """Brings batches of calls from one cache to another; each commits as a whole.

    Args:
        source: where the calls are.
        target: where they go.
        wins: decides about calls that both have with different results.
        dry_run: only count.

    Attributes:
        done: what was done up to now.
    """

    def __init__(self, source: Cache, target: Cache, *, wins: Wins, dry_run: bool) -> None:
        self._source = source
        self._target = target
        self._wins = wins
        self._dry_run = dry_run
        self.done = Transferred()
        self._values = ValueCopier(source.values, target.values)
        self._manifests = ManifestCopier(source, target)
        self._together = UnitOfWork(target.values, target.calls)

    def move(self, calls: Sequence[DigestedCall]) -> list[DigestedCall]:
        """Bring calls over, and return those that the target has now."""
        found = sort_out(calls, self._target)
        self.done.present += len(found.same)
        other = [call for call, theirs in found.other if self._wins(call, theirs)]
        self.done.kept += len(found.other) - len(other)
        if self._dry_run:
            self._count(found.new, other)
            return []
        return self._bring(found.new, other, found.same)

    def _count(self, new: list[DigestedCall], other: list[DigestedCall]) -> None:
        self.done.copied += len(new)
        self.done.replaced += len(other)
        digests = (digest for call in (*new, *other) for digest in named_by(call))
        self.done.values += len(self._values.absent(digests, dry_run=True))

    def _bring(
        self, new: list[DigestedCall], other: list[DigestedCall], same: list[DigestedCall]
    ) -> list[DigestedCall]:
        outcome: list[_Written] = []

        def write() -> None:
            outcome[:] = [self._write([*new, *other], same)]

        keys = [call.key for call in (*new, *other)]
        with self._target._operation_contexts(keys):
            self._together.run(write)
            for call in other:
                self._target.memory.discard(call.key)
        copied, lost, codes = outcome[0]
        self._manifests.committed(codes)
        self.done.values += copied.written
        self.done.size_bytes += copied.size_bytes
        self.done.incomplete += len(lost)
        self.done.copied += sum(call.key not in lost for call in new)
        self.done.replaced += sum(call.key not in lost for call in other)
        return [call for call in (*new, *other, *same) if call.key not in lost]

    def _write(self, calls: list[DigestedCall], same: list[DigestedCall]) -> _Written:
        """Write what is missing inside an open transaction, which may be run again."""
        copied = self._copied(calls, same)
        lost = {call.key for call in (*calls, *same) if result_of(call) in copied.lost}
        whole = [call for call in calls if call.key not in lost]
        codes = self._manifests.copy({call.code for call in whole if call.code is not None})
        usages = usages_of(self._source.calls, [call.key for call in whole])
        save_all(
            self._target.calls,
            whole,
            {
                call.key: _usage(call, copied.sizes, usages.get(call.key, (None, None)))
                for call in whole
            },
        )
        return _Written(copied, lost, codes)

    def _copied(self, calls: list[DigestedCall], same: list[DigestedCall]) -> Copied:
        known = (digest for call in same for digest in named_by(call))
        absent = self._values.absent(known)
        return self._values.copy([*(d for call in calls for d in named_by(call)), *absent])


def _usage(
    call: DigestedCall, sizes: dict[Digest, int], theirs: tuple[int | None, int | None]
) -> tuple[int | None, int | None]:
    size, used = theirs
    return (sizes.get(call.result, size) if call.result is not None else size), used


def pop_calls(source: Cache, calls: Sequence[DigestedCall]) -> int:
    """Evict calls that are still as they were read; return how many there were."""
    popped: list[int] = []

    def evict() -> None:
        same = [call for call in calls if stored(source, call.key) == call]
        for call in same:
            source.evict(call.key)
        popped[:] = [len(same)]

    UnitOfWork(source.values, source.calls).run(evict)
    return popped[0]
