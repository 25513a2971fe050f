"""How a cache reads the result of a call: plainly, or in one statement where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from fleche_like.backends import ByteBackend
from fleche_like.cache.abilities import lookup_of, result_lookup_of
from fleche_like.codecs import Buffer
from fleche_like.errors import DamagedEnvelope, UntrustedEnvelope
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage, CallStorage, ValueStorage
from fleche_like.support.sentinel import MISSING, Missing

Reader: TypeAlias = Callable[[Digest], Any]
"""From a call's key to its result, or ``MISSING``."""


class Hits(Protocol):
    """Reads a call's result and its bytes at once."""

    def find(self, key: Digest) -> tuple[str | None, Buffer | None] | Missing:
        """Return the result's digest and its bytes, each if there is one."""
        ...

    def find_many(self, keys: Sequence[Digest]) -> Iterable[tuple[str, str | None, Buffer | None]]:
        """Yield the keys that are stored, each with what :meth:`find` returns."""
        ...


@runtime_checkable
class SupportsHits(Protocol):
    """A call storage that may share a database with values."""

    def hits_with(self, values: ByteBackend, container: str) -> Hits | None:
        """Return what reads both at once, if they do."""
        ...


def plain_reader(values: ValueStorage, calls: CallStorage) -> Reader:
    """Return the reader that asks for the call and then for its result."""
    find, load = result_lookup_of(calls), lookup_of(values)

    def read(key: Digest) -> Any:
        found = find(key)
        if found is MISSING:
            return MISSING
        digest, scalar = found
        return scalar if scalar is not MISSING or digest is None else load(digest)

    return read


def reader_of(values: ValueStorage, calls: CallStorage) -> Reader:
    """Return the fastest reader: in one statement where values and calls share a database.

    That one goes by the call's row, not by its record, of which it is a copy made in the same
    transaction; the bytes of the result are verified against its digest all the same.
    """
    plain = plain_reader(values, calls)
    hits = hits_of(values, calls)
    if hits is None:
        return plain
    find, opened = hits.find, opener_of(values, plain)

    def read(key: Digest) -> Any:
        found = find(key)
        return MISSING if found is MISSING else opened(key, *found)

    return read


def hits_of(values: ValueStorage, calls: CallStorage) -> Hits | None:
    """Return what reads results and bytes at once, if these storages share a database."""
    if isinstance(values, BackendValueStorage) and isinstance(calls, SupportsHits):
        return calls.hits_with(values.backend, values.prefix)
    return None


def opener_of(
    values: ValueStorage, plain: Reader
) -> Callable[[Digest, str | None, Buffer | None], Any]:
    """Return what makes a result of what :class:`Hits` gave; what they cannot goes to ``plain``."""
    assert isinstance(values, BackendValueStorage)
    decode = values.decode

    def opened(key: Digest, digest: str | None, data: Buffer | None) -> Any:
        if digest is None or data is None:
            return plain(key)  # no result, or one in a file
        try:
            return decode(data, Digest(digest))
        except (DamagedEnvelope, UntrustedEnvelope):
            return plain(key)  # which puts it aside, or passes it over

    return opened
