"""Looking at values that are stored in parts: which they have, how large, and how often used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleche_like.backends.abilities import stat
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import Digest

if TYPE_CHECKING:
    from fleche_like.storage.values import BackendValueStorage


@dataclass(frozen=True)
class StoredPart:
    """A part of a stored value.

    Args:
        digest: under which it is stored, as any value.
        level: 1 is a part of the value itself, 2 a part of such a part, and so on.
        size_bytes: as stored, parts of its own apart; ``None`` if it is not stored.
        uses: of how many stored values it is a part; ``None`` if that was not counted.
    """

    digest: Digest
    level: int
    size_bytes: int | None
    uses: int | None = None


def parts_of(
    storage: BackendValueStorage, key: Digest | str, *, uses: bool = False
) -> list[StoredPart]:
    """Return the parts of a stored value, and theirs, each once, those nearest first.

    Args:
        storage: where the value is.
        key: its full or short digest.
        uses: also count of how many values each is a part, which reads the beginning of every
            value that is stored.

    Raises:
        KeyError: it is not stored.
        AmbiguousDigestError: several values begin with a short digest.
    """
    full = storage.expand(key)
    if not storage.contains(full):
        raise KeyNotFound(f"{full} is not stored", key=full)
    levels = _levels(storage, full)
    counts = count_uses(storage) if uses else None
    return [
        StoredPart(part, level, _size(storage, part), None if counts is None else counts[part])
        for part, level in levels.items()
    ]


def count_uses(storage: BackendValueStorage) -> Counter[Digest]:
    """Return of how many stored values each part is one; reads the beginning of every value."""
    every: Iterable[Digest] = storage.list()
    return Counter(part for key in every for part in storage.references(key))


def _levels(storage: BackendValueStorage, key: Digest) -> dict[Digest, int]:
    found: dict[Digest, int] = {}
    nearest, level = storage.references(key), 1
    while nearest:
        new = [part for part in dict.fromkeys(nearest) if part not in found]
        found |= dict.fromkeys(new, level)
        nearest = tuple(each for part in new for each in storage.references(part))
        level += 1
    return found


def _size(storage: BackendValueStorage, key: Digest) -> int | None:
    found = stat(storage.backend, storage._path(key))
    return None if found is None else found.size
