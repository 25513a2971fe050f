"""What storages under a cache may be able to do beyond their contract, and the plain ways."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from fleche_like.calls import (
    RESULT,
    DigestedCall,
    Loader,
    QueryCall,
    Scalar,
    Selection,
    SupportsSelection,
    Version,
    select_from,
)
from fleche_like.codecs import Buffer
from fleche_like.hashing import Digest
from fleche_like.storage import CallStorage, ValueStorage
from fleche_like.support.sentinel import MISSING, Missing


@runtime_checkable
class SupportsLookup(Protocol):
    """Reading a full key in one step, with damage put aside."""

    def lookup(self, key: Digest) -> Any | Missing:
        """Return what is stored, or ``MISSING``."""
        ...


@runtime_checkable
class SupportsResultLookup(Protocol):
    """Reading of a call only what a hit needs."""

    def lookup_result(self, key: Digest) -> tuple[Digest | None, Scalar | Missing] | Missing:
        """Return the result's digest, or its value if that is a scalar; ``MISSING`` if absent."""
        ...


@runtime_checkable
class SupportsEncoding(Protocol):
    """Encoding a value now and storing it later."""

    def encode(self, value: Any, key: Digest) -> Sequence[Buffer]:
        """Return the parts to store; they may refer to the value's memory."""
        ...

    def put_encoded(self, parts: Sequence[Buffer], key: Digest) -> None:
        """Store what :meth:`encode` returned."""
        ...


@runtime_checkable
class SupportsClose(Protocol):
    """Holding something that can be released."""

    def close(self) -> None:
        """Release it."""
        ...


@runtime_checkable
class SupportsTransaction(Protocol):
    """Writes that commit together."""

    def transaction(self) -> AbstractContextManager[Any]:
        """Return the context of one transaction; nests."""
        ...


@runtime_checkable
class SupportsGeneration(Protocol):
    """Telling whether a stored call was changed or evicted by anyone."""

    def generation(self) -> int:
        """Return a number that grows with every such change."""
        ...


def generation_of(calls: CallStorage) -> Callable[[], int] | None:
    """Return what tells whether any call changed since; ``None`` if nothing does.

    The number has to change together with what is read. Where records lie elsewhere than the
    number they change before it, when they are written, or after it, when they are removed; a
    writer may be slow in between, or die.
    """
    if not isinstance(calls, SupportsGeneration) or getattr(calls, "records", None) is not None:
        return None
    return calls.generation


def place_of_calls(calls: CallStorage) -> Hashable:
    """Return what is the same for all storages in this process of the same calls, if known."""
    database = getattr(calls, "database", None)
    if database is None:
        return None
    elsewhere: Hashable = database if database.dialect == "sqlite" else database.url
    return elsewhere if database.path is None else str(os.path.realpath(database.path))


@runtime_checkable
class SupportsCodes(Protocol):
    """Telling under which code digests calls of a function are stored, without reading calls."""

    def codes(self, name: str, module: str | None, version: Version) -> list[Digest]:
        """Return the code digests; none for calls without."""
        ...


@runtime_checkable
class SupportsManifests(Protocol):
    """Remembering what went into a code digest."""

    def save_manifest(self, code: Digest, parts: Mapping[str, Digest]) -> None:
        """Store the parts of a code digest; silent if they are there."""
        ...

    def manifest(self, code: Digest) -> Mapping[str, str]:
        """Return the parts of a code digest; none if it is unknown."""
        ...


@runtime_checkable
class SupportsFigures(Protocol):
    """Telling what the calls of a function amount to."""

    def figures(self, name: str, module: str | None) -> tuple[int, int | None, float | None]:
        """Return how many, bytes of their results, and mean seconds; ``None`` where unknown."""
        ...


@runtime_checkable
class SupportsManyCalls(Protocol):
    """Looking for many full keys in a few steps."""

    def contains_many(self, keys: Sequence[Digest]) -> set[str]:
        """Return those of the keys that are stored."""
        ...

    def load_many(self, keys: Sequence[Digest]) -> Iterator[DigestedCall]:
        """Yield the calls of those that are stored and sound, in any order."""
        ...


def selected(calls: CallStorage, selection: Selection, loader: Loader) -> Iterable[DigestedCall]:
    """Return the calls of a selection: in SQL where the storage can, else one by one."""
    if isinstance(calls, SupportsSelection):
        return calls.select(selection, loader)
    return select_from(calls.query(QueryCall()), selection, loader)


def counted(calls: CallStorage, selection: Selection, loader: Loader) -> int:
    """Return how many calls a selection yields, whatever its limit and offset."""
    if isinstance(calls, SupportsSelection):
        return calls.count(selection, loader)
    return sum(1 for _ in selected(calls, selection, loader))


def contained(calls: CallStorage, keys: Sequence[Digest]) -> set[str]:
    """Return those of many full keys that are stored."""
    if isinstance(calls, SupportsManyCalls):
        return calls.contains_many(keys)
    return {key for key in keys if calls.contains(key)}


def loaded(calls: CallStorage, keys: Sequence[str]) -> Iterator[DigestedCall]:
    """Yield those of many calls that are stored and sound."""
    full = [Digest(key) for key in keys]
    if isinstance(calls, SupportsManyCalls):
        yield from calls.load_many(full)
        return
    lookup = lookup_of(calls)
    yield from (call for call in map(lookup, full) if call is not MISSING)


def codes_of(calls: CallStorage, name: str, module: str | None, version: Version) -> list[Digest]:
    """Return the code digests under which calls of a function were stored."""
    if isinstance(calls, SupportsCodes):
        return [*calls.codes(name, module, version)]
    template = QueryCall(name=name, module=module, version=version)
    found = (call.code for call in calls.query(template))
    return [*dict.fromkeys(code for code in found if code is not None)]


def manifest_of(calls: CallStorage, code: Digest | str) -> Mapping[str, str]:
    """Return what went into a code digest; none if it is unknown."""
    return calls.manifest(Digest(code)) if isinstance(calls, SupportsManifests) else {}


def figures_of(
    calls: CallStorage, name: str, module: str | None
) -> tuple[int, int | None, float | None]:
    """Return what the calls of a function amount to; ``None`` for what is not known."""
    if isinstance(calls, SupportsFigures):
        return calls.figures(name, module)
    return sum(1 for _ in calls.query(QueryCall(name=name, module=module))), None, None


def lookup_of(storage: ValueStorage | CallStorage) -> Callable[[Digest], Any]:
    """Return the function that reads a full key from ``storage``, or gives ``MISSING``."""
    if isinstance(storage, SupportsLookup):
        return storage.lookup

    def load(key: Digest) -> Any:
        try:
            return storage.load(key)
        except KeyError:
            return MISSING

    return load


def result_lookup_of(
    storage: CallStorage,
) -> Callable[[Digest], tuple[Digest | None, Scalar | Missing] | Missing]:
    """Return the function that reads the result of a full key, or gives ``MISSING``."""
    if isinstance(storage, SupportsResultLookup):
        return storage.lookup_result
    lookup = lookup_of(storage)

    def lookup_result(key: Digest) -> tuple[Digest | None, Scalar | Missing] | Missing:
        call: DigestedCall | Missing = lookup(key)
        if call is MISSING:
            return MISSING
        return call.result, call.scalars.get(RESULT, MISSING)

    return lookup_result


def transaction_of(
    storage: ValueStorage | CallStorage,
) -> Callable[[], AbstractContextManager[Any]]:
    """Return the function that opens a transaction on ``storage``; a no-op if it has none."""
    if isinstance(storage, SupportsTransaction):
        return storage.transaction
    return contextlib.nullcontext
