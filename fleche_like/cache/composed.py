"""What caches that are composed of others have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Literal

from fleche_like.cache.cache import Cache
from fleche_like.cache.contexts import Contexts, alone, wraps
from fleche_like.cache.prepared import ArgumentsKept, SealedArguments
from fleche_like.cache.stats import CacheStats
from fleche_like.cache.union_calls import UnionCalls
from fleche_like.cache.union_values import UnionValues
from fleche_like.calls import Call, DigestedCall, PreparedCall
from fleche_like.errors import ConfigError, ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.storage import CallStorage, Intent, ValueStorage
from fleche_like.support.sentinel import MISSING, Missing


class Composed(Cache):
    """Caches as one cache: what any of them holds, the first one's where several hold a call.

    Usable wherever a :class:`Cache` is. It holds nothing itself; its context is that of its
    caches, entered in an order that all compositions agree on. Closing it closes them.

    Args:
        members: the caches, in the order in which they are asked.
        target: the one that is written to; ``None`` refuses to save and to evict.
        values: the values, instead of those of all members.
        calls: the calls, instead of those of all members.

    Raises:
        ConfigError: there are no members, or something else than a cache is among them.
    """

    def __init__(
        self,
        members: Sequence[Cache],
        target: Cache | None,
        *,
        values: ValueStorage | None = None,
        calls: CallStorage | None = None,
    ) -> None:
        self.members = tuple(_checked(members, type(self).__name__))
        self.target = target
        writable = [] if target is None else [each for each in self.members if not each.read_only]
        super().__init__(
            values
            or UnionValues(
                [each.values for each in self.members],
                [each.values for each in writable],
                None if target is None else target.values,
            ),
            calls
            or UnionCalls(
                [each.calls for each in self.members],
                [each.calls for each in writable],
                None if target is None else target.calls,
            ),
            memory_bytes=0,
            read_only=target is None or target.read_only,
            url=f"{type(self).__name__}({', '.join(each.url for each in self.members)})",
        )

    def _start(self) -> None:
        super()._start()
        self.leases = None if self.target is None else self.target.leases
        self._contexts = Contexts(_leaves(self.members), _locked(self.members))
        # Else a context that does nothing would cost a part of every hit.
        self._wraps = self._contexts.needed or wraps(self, Composed)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"members": self.members, "target": self.target}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.members))})"

    # Contexts

    def _operation_context(
        self, key: Digest | str, *, intent: Intent = Intent.WRITE
    ) -> AbstractContextManager[Any]:
        return self._contexts.of(key, intent)

    @contextlib.contextmanager
    def _operation_contexts(
        self, keys: Iterable[Digest | str], *, intent: Intent = Intent.WRITE
    ) -> Iterator[None]:
        wanted = sorted(set(keys))
        # Mixins that know single keys alone see each; the caches have entered them all by then.
        with self._contexts.of_many(wanted, intent), contextlib.ExitStack() as each:
            with alone():
                each.enter_context(super()._operation_contexts(wanted, intent=intent))
            yield

    def _inside(self, key: Digest, intent: Intent) -> AbstractContextManager[Any]:
        if not self._wraps:
            return contextlib.nullcontext()
        return self._operation_context(key, intent=intent)

    # Looking up

    def lookup(self, key: Digest) -> Any | Missing:
        """Return the result of the call of a full key, or ``MISSING``: see :class:`Cache`."""
        with self._inside(key, Intent.READ):
            return self._counted(self._found(key)[0])

    def lookup_mapped(self, key: Digest, mmap: bool | Literal["verify"]) -> Any | Missing:
        """Return what :meth:`lookup` does, with large arrays mapped or not as is said here."""
        with self._inside(key, Intent.READ):
            found = (member.lookup_mapped(key, mmap) for member in self.members)
            return self._counted(next((r for r in found if r is not MISSING), MISSING))

    def lookup_many(self, keys: Iterable[Digest]) -> dict[Digest, Any]:
        """Return the results of those of many full keys that are stored: see :class:`Cache`."""
        wanted = [*dict.fromkeys(keys)]
        within = self._operation_contexts(wanted, intent=Intent.READ) if self._wraps else None
        with within or contextlib.nullcontext():
            found = {key: result for key, (result, _) in self._found_many(wanted).items()}
        self.hits += len(found)
        self.misses += len(wanted) - len(found)
        return found

    def recall(self, key: Digest) -> Any | Missing:
        """Return what the first member has in memory, or ``MISSING``: see :class:`Cache`."""
        result = self.members[0].recall(key)
        if result is not MISSING:
            self.hits += 1
        return result

    def _found(self, key: Digest) -> tuple[Any | Missing, int]:
        """Return a result and the number of the member that has it."""
        for number, member in enumerate(self.members):
            result = member.lookup(key)
            if result is not MISSING:
                return result, number
        return MISSING, -1

    def _found_many(self, keys: Sequence[Digest]) -> dict[Digest, tuple[Any, int]]:
        found: dict[Digest, tuple[Any, int]] = {}
        for number, member in enumerate(self.members):
            missing = [key for key in keys if key not in found]
            if missing:
                results = member.lookup_many(missing)
                found |= {key: (result, number) for key, result in results.items()}
        return found

    def _counted(self, result: Any | Missing) -> Any | Missing:
        if result is MISSING:
            self.misses += 1
        else:
            self.hits += 1
        return result

    # Saving

    def prepare(
        self,
        call: Call,
        digested: DigestedCall | None = None,
        *,
        arguments: ArgumentsKept = "auto",
    ) -> SealedArguments:
        """Seal a call for the target: see :class:`Cache`."""
        return self._writable().prepare(call, digested, arguments=arguments)

    def commit(
        self,
        prepared: PreparedCall,
        result: Any,
        metadata: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Digest] | None = None,
    ) -> Digest:
        """Store the result of a prepared call in the target: see :class:`Cache`."""
        target = self._writable()
        with self._inside(prepared.key, Intent.WRITE):
            key = target.commit(prepared, result, metadata, manifest)
        self.stored += 1
        return key

    def adopt(self, call: DigestedCall, result: Any) -> None:
        """Store a finished call in the target as it is: see :class:`Cache`."""
        target = self._writable()
        with self._inside(call.key, Intent.WRITE):
            target.adopt(call, result)
        self.stored += 1

    def evict(self, key: Digest | str) -> None:
        """Remove the record of a call from every member: see :class:`Cache`.

        Raises:
            ReadOnlyError: this or a member that holds it is read-only; then nothing is removed.
        """
        self._writable()
        full = self.calls.expand(key)
        with self._inside(full, Intent.WRITE):
            self._refuse_if_kept(full)
            for member in self.members:
                if not member.read_only:
                    member.evict(full)

    def _refuse_if_kept(self, key: Digest) -> None:
        """Raise if a member that is read-only would go on answering."""
        for member in self.members:
            if member.read_only and member.contains(key) and member.lookup(key) is not MISSING:
                raise ReadOnlyError(f"{member!r} holds {key} and is read-only", url=member.url)

    def _writable(self) -> Cache:
        if self.target is None or self.read_only:
            raise ReadOnlyError(f"{self!r} is read-only", url=self.url)
        return self.target

    # The whole

    def stats(self) -> CacheStats:
        """Return counts of this composition's use, and sums of what its members hold."""
        each = [member.stats() for member in self.members]
        sizes = [stats.size_bytes for stats in each if stats.size_bytes is not None]
        return replace(
            super().stats(),
            size_bytes=sum(sizes) if sizes else None,
            memory_items=sum(stats.memory_items for stats in each),
            memory_bytes=sum(stats.memory_bytes for stats in each),
            evicted=sum(stats.evicted for stats in each),
            evicted_bytes=sum(stats.evicted_bytes for stats in each),
        )

    def close(self) -> None:
        """Close the members; this is not to be used afterwards."""
        with contextlib.ExitStack() as closing:
            for member in reversed(self.members):
                closing.callback(member.close)


def _checked(members: Sequence[Cache], kind: str) -> Sequence[Cache]:
    if not members:
        raise ConfigError(f"{kind} of no caches", source=kind)
    for member in members:
        if not isinstance(member, Cache):
            raise ConfigError(
                f"{kind} takes open caches, not {member!r}; open_cache() opens one", source=kind
            )
    return members


def _leaves(members: Iterable[Cache]) -> list[Cache]:
    found: list[Cache] = []
    for member in members:
        found += _leaves(member.members) if isinstance(member, Composed) else [member]
    return found


def _locked(members: Iterable[Cache]) -> list[Composed]:
    """Return the compositions among members that have locks of their own, outer ones first.

    Those that are as deep as each other come in the order of all caches.
    """
    level = [member for member in members if isinstance(member, Composed)]
    found: dict[int, list[Composed]] = {}
    _by_height(level, found)
    order = (
        sorted(found[height], key=lambda each: (each.url, each.serial))
        for height in sorted(found, reverse=True)
    )
    return [each for same in order for each in same if wraps(each, Composed)]


def _by_height(members: Iterable[Composed], found: dict[int, list[Composed]]) -> int:
    highest = -1
    for member in members:
        inner = [each for each in member.members if isinstance(each, Composed)]
        height = 1 + _by_height(inner, found)
        found.setdefault(height, []).append(member)
        highest = max(highest, height)
    return highest
