"""What a cache is made of, as upkeep needs it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from fleche_like.calls import RESULT, DigestedCall
from fleche_like.errors import CodecError, ConfigError, DamagedEnvelope, KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.index import SqlCallStorage
from fleche_like.index.uses import Uses
from fleche_like.storage import BackendValueStorage, CallStorage, ValueStorage
from fleche_like.storage.records import open_record
from fleche_like.storage.sealed import signing


class CacheLike(Protocol):
    """A value storage and a call storage that are used together."""

    @property
    def values(self) -> ValueStorage:
        """Where values are."""
        ...

    @property
    def calls(self) -> CallStorage:
        """Where calls are."""
        ...


class Stored(NamedTuple):
    """A call as it is found.

    Attributes:
        key: what it is stored under.
        call: ``None`` if its record is gone, damaged, or of a later release.
        reason: why.
    """

    key: Digest
    call: DigestedCall | None
    reason: str = ""


def values_of(cache: CacheLike) -> BackendValueStorage:
    """Return the value storage of a cache.

    Raises:
        ConfigError: it is none over a byte backend; or the cache consists of several: upkeep is
            for each of them.
    """
    values = getattr(cache, "values", None)
    if isinstance(values, BackendValueStorage):
        return values
    raise ConfigError(
        f"{cache!r} keeps its values in no byte backend of its own: give gc and verify the caches"
        " that it is made of, one by one",
        source="maintenance",
    )


def uses_of(calls: CallStorage) -> Uses | None:
    """Return the reads of what calls name, where they are in SQL."""
    return Uses(calls.database, calls.records) if isinstance(calls, SqlCallStorage) else None


def opener_of(calls: CallStorage) -> Callable[[bytes, Digest], DigestedCall]:
    """Return what opens the records of a call storage, for who believes its signer's alone."""
    return functools.partial(open_record, signer=signing(calls))


def stored_calls(calls: CallStorage, uses: Uses | None, after: int = 0) -> Iterator[Stored]:
    """Yield every call, or those whose rows have higher ids; in memory there is one page of them.

    Args:
        calls: where they are.
        uses: of the same calls.
        after: an id.
    """
    if uses is None:
        yield from (found for key in calls.list() if (found := _loaded(calls, key)))
        return
    open_ = opener_of(calls)
    for _, key, record in uses.after(after):
        yield opened(key, record, open_)


def opened(
    key: Digest, record: bytes | None, open_: Callable[[bytes, Digest], DigestedCall]
) -> Stored:
    """Return the call of a record."""
    if record is None:
        return Stored(key, None, "its record is gone")
    try:
        return Stored(key, open_(record, key))
    except CodecError as error:
        return Stored(key, None, getattr(error, "reason", str(error)))


def named_by(call: DigestedCall) -> Iterator[Digest]:
    """Yield the digests of the values that a call needs: those of scalars are in its record."""
    if call.result is not None:
        yield call.result
    scalars = call.scalars
    yield from (known for name, known in call.arguments.items() if name not in scalars)


def result_of(call: DigestedCall) -> Digest | None:
    """Return the digest of a result that has to be stored; ``None`` if the record says it."""
    return None if RESULT in call.scalars else call.result


def _loaded(calls: CallStorage, key: Digest) -> Stored | None:
    try:
        return Stored(key, calls.load(key))
    except KeyNotFound:
        return None  # evicted since
    except CodecError as error:
        reason = error.reason if isinstance(error, DamagedEnvelope) else str(error)
        return Stored(key, None, reason)
