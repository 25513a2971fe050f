"""Many stored values at a glance: sizes and parts, from their first bytes, a hundred at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fleche_like.backends import SupportsStarts
from fleche_like.backends.abilities import get_start, get_starts
from fleche_like.hashing import Digest
from fleche_like.storage.divided import START_BYTES, parts_at
from fleche_like.storage.layout import path
from fleche_like.storage.sealed import Mapped
from fleche_like.storage.values import BackendValueStorage


class Glance(NamedTuple):
    """What the first bytes of a stored value tell.

    Attributes:
        digest: of the value.
        size: bytes of its envelope.
        parts: digests of its direct parts, each once; none if it is stored whole, or damaged.
    """

    digest: Digest
    size: int
    parts: Sequence[Digest]


def glances(
    values: BackendValueStorage, digests: Iterable[Digest], mapped: Mapped = map
) -> Iterator[Glance]:
    """Yield those of some values that are stored, in any order; nothing is verified.

    Sorted digests are read in the order in which a database keeps them. The contexts of the values
    are not entered: what a digest stands for never changes.

    Args:
        values: where they are.
        digests: full ones.
        mapped: how requests are made, where each value takes one.
    """
    backend, is_asked = values.backend, tells_parts(values)
    where = {path(values.prefix, digest): digest for digest in digests}
    for key, size, start in _starts(values, where, mapped):
        digest = where[key]
        parts = values.references(digest) if is_asked else parts_at(start, digest, backend, key)
        yield Glance(digest, size, parts)


def tells_parts(values: BackendValueStorage) -> bool:
    """Return whether a storage says in a way of its own which parts a value has."""
    return type(values).references is not BackendValueStorage.references


def _starts(
    values: BackendValueStorage, keys: Iterable[str], mapped: Mapped
) -> Iterator[tuple[str, int, bytes]]:
    backend = values.backend
    if isinstance(backend, SupportsStarts):
        yield from get_starts(backend, keys, START_BYTES)
        return
    found = mapped(lambda key: (key, get_start(backend, key, START_BYTES)), keys)
    yield from ((key, *start) for key, start in found if start is not None)
