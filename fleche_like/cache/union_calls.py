"""Calls of several storages as those of one."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

from fleche_like.cache import abilities
from fleche_like.cache.lineage import related
from fleche_like.cache.union_keys import UnionKeys, first_found
from fleche_like.calls import (
    DigestedCall,
    Grouping,
    Groups,
    LazyCall,
    LineageQuery,
    Loader,
    QueryCall,
    Related,
    Scalar,
    Selection,
    SupportsAggregation,
    Version,
    grouped,
    related_in,
    select_from,
)
from fleche_like.calls.selection import place
from fleche_like.hashing import Digest
from fleche_like.storage import CallStorage
from fleche_like.support.sentinel import Missing

BATCH: Final = 500
"""Keys that are looked for in one step among the calls of an earlier member."""


class UnionCalls(UnionKeys[CallStorage], CallStorage):
    """Calls that any of some storages holds: see :class:`UnionKeys`.

    What the storages can do in SQL they do. The calls that a later one has in common with an
    earlier one are left out: a query asks for the keys of some hundred found calls at once, and a
    count looks at all that they have in common.
    """

    # One call

    def load(self, key: Digest | str) -> DigestedCall:
        """Return the call of a full or short key."""
        full = self._normalize_key(key)
        found: DigestedCall = self._first(lambda member: member.load(full), full)
        return found

    def lookup(self, key: Digest) -> DigestedCall | Missing:
        """Return the call of a full key, or ``MISSING``."""
        found: DigestedCall | Missing = first_found(
            abilities.lookup_of(member)(key) for member in self.members
        )
        return found

    def lookup_result(self, key: Digest) -> tuple[Digest | None, Scalar | Missing] | Missing:
        """Return the result's digest of a full key, or its value if that is a scalar."""
        found: tuple[Digest | None, Scalar | Missing] | Missing = first_found(
            abilities.result_lookup_of(member)(key) for member in self.members
        )
        return found

    def save(self, call: DigestedCall) -> Digest:
        """Store a call in the target; what others held under its key is older, and goes."""
        target = self._target()
        key = target.save(call)
        for member in self.writable:
            if member is not target:
                member.evict(key)
        return key

    def transaction(self) -> AbstractContextManager[Any]:
        """Return the context of a transaction of the target."""
        return abilities.transaction_of(self._target())()

    # Many calls

    def query(self, template: QueryCall) -> Iterator[DigestedCall]:
        """Yield every stored call that matches a template, each once."""
        return self._chained(lambda member: member.query(template))

    def select(self, selection: Selection, loader: Loader) -> Iterator[DigestedCall]:
        """Yield the calls that are selected, as :func:`select_from` would.

        Calls that are not ordered come storage by storage.
        """
        if len(self.members) == 1:
            return iter(abilities.selected(self.members[0], selection, loader))
        stop = None if selection.limit is None else selection.offset + selection.limit
        # Only the first one's calls all count, so that a limit can be left to it alone.
        whole = replace(selection, limit=None, offset=0)
        first = replace(whole, limit=stop)
        parts = [
            self._unshadowed(number, abilities.selected(member, whole if number else first, loader))
            for number, member in enumerate(self.members)
        ]
        return itertools.islice(_merged(parts, selection, loader), selection.offset, stop)

    def count(self, selection: Selection, loader: Loader) -> int:
        """Return how many calls :meth:`select` would yield, but for limit and offset."""
        counts = (abilities.counted(member, selection, loader) for member in self.members)
        hidden = (self._hidden(number, selection, loader) for number in range(len(self.members)))
        return sum(counts) - sum(hidden)

    def aggregate(self, selection: Selection, grouping: Grouping, loader: Loader) -> Groups:
        """Return the groups of the calls that :meth:`select` would yield, with their figures."""
        if len(self.members) == 1 and isinstance(self.members[0], SupportsAggregation):
            return self.members[0].aggregate(selection, grouping, loader)
        calls = (LazyCall(call, loader) for call in self.select(selection, loader))
        return grouped(calls, grouping)

    def related(self, asked: LineageQuery) -> Related:
        """Return the calls of a lineage; of several storages, by looking at all calls."""
        if len(self.members) == 1:
            return related(self.members[0], asked)
        return related_in(self.query(QueryCall()), asked)

    def _chained(
        self, ask: Callable[[CallStorage], Iterable[DigestedCall]]
    ) -> Iterator[DigestedCall]:
        parts = (self._unshadowed(n, ask(member)) for n, member in enumerate(self.members))
        return itertools.chain.from_iterable(parts)

    def _unshadowed(self, number: int, found: Iterable[DigestedCall]) -> Iterator[DigestedCall]:
        """Yield those calls of a member that no earlier one has."""
        if not number:
            yield from found
            return
        rest = iter(found)
        while batch := [*itertools.islice(rest, BATCH)]:
            hidden = self._contained(number, [call.key for call in batch])
            yield from (call for call in batch if call.key not in hidden)

    def _contained(self, number: int, keys: Sequence[Digest]) -> set[str]:
        """Return those of some keys that a member before the given one has."""
        earlier = self.members[:number]
        return set().union(*(abilities.contained(member, keys) for member in earlier))

    def _hidden(self, number: int, selection: Selection, loader: Loader) -> int:
        """Return how many selected calls of a member an earlier one has too."""
        plain = replace(selection, order=(), limit=None, offset=0)
        member = self.members[number]
        common = {
            key for earlier in self.members[:number] for key in _common(earlier, member, loader)
        }
        calls = abilities.loaded(member, sorted(common))
        return sum(1 for _ in select_from(calls, plain, loader))

    # What is known of functions

    def codes(self, name: str, module: str | None, version: Version) -> list[Digest]:
        """Return the code digests under which calls of a function were stored."""
        found = (abilities.codes_of(member, name, module, version) for member in self.members)
        return [*dict.fromkeys(itertools.chain.from_iterable(found))]

    def manifest(self, code: Digest) -> Mapping[str, str]:
        """Return the parts of a code digest; none if it is unknown."""
        found = (abilities.manifest_of(member, code) for member in self.members)
        return next((parts for parts in found if parts), {})

    def save_manifest(self, code: Digest, parts: Mapping[str, Digest]) -> None:
        """Store the parts of a code digest in the target."""
        target = self._target()
        if isinstance(target, abilities.SupportsManifests):
            target.save_manifest(code, parts)

    def figures(self, name: str, module: str | None) -> tuple[int, int | None, float | None]:
        """Return what the calls of a function amount to; those in common count each time."""
        found = [abilities.figures_of(member, name, module) for member in self.members]
        counts, sizes, _ = zip(*found, strict=True)
        timed = [(count, mean_s) for count, _, mean_s in found if mean_s is not None]
        known = [size for size in sizes if size is not None]
        seconds, calls = sum(c * s for c, s in timed), sum(c for c, _ in timed)
        return sum(counts), sum(known) if known else None, seconds / calls if calls else None

    def generation(self) -> int:
        """Return a number that grows with every change in any of the storages."""
        known = (m for m in self.members if isinstance(m, abilities.SupportsGeneration))
        return sum(member.generation() for member in known)


def _merged(
    parts: Sequence[Iterator[DigestedCall]], selection: Selection, loader: Loader
) -> Iterable[DigestedCall]:
    if not selection.order:
        return itertools.chain.from_iterable(parts)
    return heapq.merge(*parts, key=lambda call: place(LazyCall(call, loader), selection.order))


def _common(one: CallStorage, other: CallStorage, loader: Loader) -> Iterator[str]:
    """Yield the keys that both have; reads all those of the smaller one."""
    everything = Selection(QueryCall())
    sizes = [abilities.counted(each, everything, loader) for each in (one, other)]
    small, large = (one, other) if sizes[0] <= sizes[1] else (other, one)
    keys = iter(small.list())
    while batch := [*itertools.islice(keys, BATCH)]:
        yield from abilities.contained(large, batch)
