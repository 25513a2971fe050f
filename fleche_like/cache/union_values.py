"""Values of several storages as those of one."""

from __future__ import annotations

from typing import Any

from fleche_like.cache.abilities import lookup_of
from fleche_like.cache.union_keys import UnionKeys, first_found
from fleche_like.hashing import Digest
from fleche_like.storage import ValueStorage
from fleche_like.storage.references import SupportsReferences
from fleche_like.support.sentinel import Missing


class UnionValues(UnionKeys[ValueStorage], ValueStorage):
    """Values that any of some storages holds: see :class:`UnionKeys`."""

    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value in the target: see :meth:`ValueStorage.save`."""
        return self._target().save(value, key)

    def load(self, key: Digest | str) -> Any:
        """Return the value of a full or short digest."""
        full = self._normalize_key(key)
        return self._first(lambda member: member.load(full), full)

    def lookup(self, key: Digest) -> Any | Missing:
        """Return the value of a full digest, or ``MISSING``; damage is put aside."""
        return first_found(lookup_of(member)(key) for member in self.members)

    def references(self, key: Digest) -> tuple[Digest, ...]:
        """Return the parts that a stored value is put together from."""
        for member in self.members:
            if isinstance(member, SupportsReferences) and member.contains(key):
                return member.references(key)
        return ()
