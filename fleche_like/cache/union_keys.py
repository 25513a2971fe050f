"""Keys of several storages as those of one."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from fleche_like.errors import KeyNotFound, ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.storage import KeyManagement
from fleche_like.support.sentinel import MISSING, Missing

Member = TypeVar("Member", bound=KeyManagement)


class UnionKeys(KeyManagement, Generic[Member]):
    """What any of some storages holds; where several hold a key, the first one counts.

    Each operation enters the contexts of the storages it asks, one after another.

    Args:
        members: the storages, in the order in which they are asked.
        writable: those that may be written to.
        target: the one that new things go to; ``None`` refuses them.
    """

    def __init__(
        self, members: Sequence[Member], writable: Sequence[Member], target: Member | None
    ) -> None:
        self.members = members
        self.writable = writable
        self.target = target

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.members))})"

    def list(self) -> Iterator[Digest]:
        """Yield every stored digest, each once."""
        seen: set[Digest] = set()
        for key in itertools.chain.from_iterable(member.list() for member in self.members):
            if key not in seen:
                seen.add(key)
                yield key

    def _contains(self, key: Digest) -> bool:
        return any(member.contains(key) for member in self.members)

    def _evict(self, key: Digest) -> None:
        self._target()
        for member in self.members:
            if member not in self.writable and member.contains(key):
                raise ReadOnlyError(f"{key} is in {member!r}, which is read-only", url="")
        for member in self.writable:
            member.evict(key)

    def _prefix_candidates(self, prefix: str) -> Iterable[Digest]:
        found = (member._prefix_candidates(prefix) for member in self.members)
        return heapq.nsmallest(2, set(itertools.chain.from_iterable(found)))

    def _sorted_around(self, keys: Sequence[Digest]) -> Sequence[str]:
        around = (member._sorted_around(keys) for member in self.members)
        return sorted(set(itertools.chain.from_iterable(around)))

    def _target(self) -> Member:
        if self.target is None:
            raise ReadOnlyError(f"{self!r} is read-only", url="")
        return self.target

    def _first(self, load: Callable[[Member], Any], key: Digest) -> Any:
        """Return what the first member that has a full key loads."""
        for member in self.members:
            try:
                return load(member)
            except KeyNotFound:
                continue
        raise KeyNotFound(f"{key} is not in {self!r}", key=key)


def first_found(answers: Iterable[Any]) -> Any | Missing:
    """Return the first answer that is not ``MISSING``."""
    return next((answer for answer in answers if answer is not MISSING), MISSING)
