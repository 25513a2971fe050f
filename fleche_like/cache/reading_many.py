"""How a cache reads the results of many calls at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from fleche_like.backends import SupportsBatch
from fleche_like.cache.abilities import lookup_of, result_lookup_of
from fleche_like.cache.reading import Hits, hits_of, opener_of, plain_reader
from fleche_like.calls import Scalar
from fleche_like.errors import CodecError, DamagedEnvelope, UntrustedEnvelope
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage, CallStorage, ValueStorage
from fleche_like.storage.layout import path
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)

VALUES_AT_ONCE: Final = 500
"""Values whose bytes are held together while they are decoded."""

Found: TypeAlias = tuple[Digest | None, Scalar | Missing]
"""The digest of a call's result, or its value if that is a scalar."""

ManyReader: TypeAlias = Callable[[Sequence[Digest]], dict[Digest, Any]]
"""From keys to the results of those that are stored and can be decoded here."""


@runtime_checkable
class SupportsManyResults(Protocol):
    """Finding the results of many calls in one step."""

    def lookup_results(self, keys: Sequence[Digest]) -> Mapping[Digest, Found]:
        """Return of the keys that are stored what a hit needs."""
        ...


def many_reader_of(values: ValueStorage, calls: CallStorage) -> ManyReader:
    """Return the fastest reader of many results.

    Where values and calls share a database, that is one statement. Elsewhere one statement finds
    the calls, if their storage can do that, and their values come together, if their backend can.
    """
    hits = hits_of(values, calls)
    return _Apart(values, calls) if hits is None else _Together(values, calls, hits)


class _Together:
    """Reads results whose bytes the same statement finds."""

    def __init__(self, values: ValueStorage, calls: CallStorage, hits: Hits) -> None:
        self._hits = hits
        self._opened = opener_of(values, plain_reader(values, calls))

    def __call__(self, keys: Sequence[Digest]) -> dict[Digest, Any]:
        opened, results = self._opened, {}
        asked = {str(key): key for key in keys}
        for text, digest, data in self._hits.find_many(keys):
            key = asked[text]
            try:
                result = opened(key, digest, data)
            except CodecError as problem:
                _leave_out(key, problem)
                continue
            if result is not MISSING:
                results[key] = result
        return results


class _Apart:
    """Reads results whose bytes are in another place than their calls."""

    def __init__(self, values: ValueStorage, calls: CallStorage) -> None:
        self._find = _finder_of(calls)
        self._values = _ManyValues(values)

    def __call__(self, keys: Sequence[Digest]) -> dict[Digest, Any]:
        found = self._find(keys)
        data = self._values.bytes_of([d for d, scalar in found.values() if scalar is MISSING and d])
        results = {}
        for key, (digest, scalar) in found.items():
            is_value = scalar is MISSING and digest is not None
            try:
                results[key] = self._values.opened(digest, data) if is_value and digest else scalar
            except CodecError as problem:
                _leave_out(key, problem)
        return _present(results)


class _ManyValues:
    """Reads values whose bytes come together, where their backend can do that."""

    def __init__(self, values: ValueStorage) -> None:
        self._load = lookup_of(values)
        able = isinstance(values, BackendValueStorage) and isinstance(values.backend, SupportsBatch)
        self._values = values if able and isinstance(values, BackendValueStorage) else None

    def bytes_of(self, digests: Sequence[Digest]) -> dict[str, bytes]:
        """Return the stored bytes of values by path; none where they come one by one."""
        if self._values is None or not digests:
            return {}
        backend, prefix = self._values.backend, self._values.prefix
        assert isinstance(backend, SupportsBatch)
        return dict(backend.get_many([path(prefix, digest) for digest in dict.fromkeys(digests)]))

    def opened(self, digest: Digest, data: Mapping[str, bytes]) -> Any | Missing:
        """Return a value of what :meth:`bytes_of` gave, or else of the storage."""
        found = data.get(path(self._values.prefix, digest)) if self._values else None
        if found is None or self._values is None:
            return self._load(digest)
        try:
            return self._values.decode(found, digest)
        except (DamagedEnvelope, UntrustedEnvelope):
            return self._load(digest)  # which puts it aside, or passes it over


def many_values_of(values: ValueStorage) -> ManyReader:
    """Return what gives the values of those of many full digests that are stored.

    The bytes of some hundred come together, where their backend can do that.
    """
    many = _ManyValues(values)

    def read(digests: Sequence[Digest]) -> dict[Digest, Any]:
        found: dict[Digest, Any] = {}
        wanted = [*dict.fromkeys(digests)]
        for start in range(0, len(wanted), VALUES_AT_ONCE):
            page = wanted[start : start + VALUES_AT_ONCE]
            data = many.bytes_of(page)
            found |= _present({digest: many.opened(digest, data) for digest in page})
        return found

    return read


def _finder_of(calls: CallStorage) -> Callable[[Sequence[Digest]], Mapping[Digest, Found]]:
    if isinstance(calls, SupportsManyResults):
        return calls.lookup_results
    lookup = result_lookup_of(calls)

    def one_by_one(keys: Sequence[Digest]) -> dict[Digest, Found]:
        return _present({key: lookup(key) for key in keys})

    return one_by_one


def _present(results: dict[Digest, Any]) -> dict[Digest, Any]:
    return {key: result for key, result in results.items() if result is not MISSING}


def _leave_out(key: Digest, problem: CodecError) -> None:
    # Whoever asks for this one alone is told why.
    logger.debug("result of call %s cannot be decoded here: %s", key, problem)
