"""Those calls of a storage that fit a condition."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, TypeAlias

from fleche_like.cache import abilities
from fleche_like.calls import (
    DigestedCall,
    LazyCall,
    Loader,
    QueryCall,
    Selection,
    Version,
)
from fleche_like.calls.expressions import Expression
from fleche_like.errors import KeyNotFound, SaveError
from fleche_like.hashing import DIGEST_LENGTH, Digest
from fleche_like.storage import CallStorage
from fleche_like.storage.base import MINIMUM_PREFIX_LENGTH
from fleche_like.support.sentinel import MISSING, Missing

Where: TypeAlias = QueryCall | Expression | Callable[[LazyCall], object]
"""Which calls: a template, an expression, or a function."""

_HEX: Final = "0123456789abcdef"


class Filter:
    """Tells which calls fit.

    Args:
        where: a template, an expression, or a function of a call.
    """

    def __init__(self, where: Where) -> None:
        self.where = where

    def matches(self, call: LazyCall) -> bool:
        """Return whether a call fits.

        Raises:
            KeyNotFound: it depends on a value that is not stored.
        """
        if isinstance(self.where, QueryCall | Expression):
            return bool(self.where.matches(call))
        return bool(self.where(call))

    def narrowed(self, selection: Selection) -> Selection | None:
        """Return the selection of those calls that fit, if it can be said in one."""
        if isinstance(self.where, Expression):
            return replace(selection, conditions=(*selection.conditions, self.where))
        return None


class FilteredCalls(CallStorage):
    """Calls of another storage, those alone that fit.

    Args:
        calls: the other storage.
        only: which fit.
        loader: gives the values that the filter looks into.
    """

    def __init__(self, calls: CallStorage, only: Filter, loader: Loader) -> None:
        self._calls = calls
        self._only = only
        self._loader = loader

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._calls!r})"

    def _fits(self, call: DigestedCall) -> bool:
        return self._only.matches(LazyCall(call, self._loader))

    # One call

    def lookup(self, key: Digest) -> DigestedCall | Missing:
        """Return the call of a full key, or ``MISSING``."""
        call: DigestedCall | Missing = abilities.lookup_of(self._calls)(key)
        return call if call is not MISSING and self._fits(call) else MISSING

    def load(self, key: Digest | str) -> DigestedCall:
        """Return the call of a full or short key."""
        full = self._normalize_key(key)
        call = self._calls.load(full)
        if not self._fits(call):
            raise KeyNotFound(f"{full} does not fit the filter", key=full)
        return call

    def save(self, call: DigestedCall) -> Digest:
        """Store a call that fits.

        Raises:
            SaveError: it does not.
        """
        if not self._fits(call):
            raise SaveError(f"{call.key} does not fit the filter")
        return self._calls.save(call)

    def _contains(self, key: Digest) -> bool:
        return self.lookup(key) is not MISSING

    def _evict(self, key: Digest) -> None:
        if self._contains(key):
            self._calls.evict(key)

    def transaction(self) -> AbstractContextManager[Any]:
        """Return the context of a transaction of the other storage."""
        return abilities.transaction_of(self._calls)()

    # Keys

    def list(self) -> Iterator[Digest]:
        """Yield the keys of those that fit."""
        return (call.key for call in self.query(QueryCall()))

    def _prefix_candidates(self, prefix: str) -> Iterable[Digest]:
        return itertools.islice(self._beginning(prefix), 2)

    def _beginning(self, prefix: str) -> Iterator[Digest]:
        """Yield the keys that fit and begin with a prefix, ascending.

        The other storage tells two for each prefix; where there may be more, it is asked for
        longer ones.
        """
        found = sorted(itertools.islice(self._calls._prefix_candidates(prefix), 2))
        if len(found) < 2 or len(prefix) == DIGEST_LENGTH:
            yield from (key for key in found if self._contains(key))
            return
        for digit in _HEX:
            yield from self._beginning(prefix + digit)

    def _sorted_around(self, keys: Sequence[Digest]) -> Sequence[str]:
        around = {other for key in keys for other in self._nearest(key)}
        return sorted(around | {key for key in keys if self._contains(key)})

    def _nearest(self, key: Digest) -> Iterator[Digest]:
        """Yield another key that has the longest prefix in common with this one, if any has."""
        low, high, nearest = MINIMUM_PREFIX_LENGTH, DIGEST_LENGTH - 1, None
        while low <= high:
            middle = (low + high) // 2
            beginning = self._beginning(key[:middle])
            other = next((found for found in beginning if found != key), None)
            if other is None:
                high = middle - 1
            else:
                low, nearest = middle + 1, other
        if nearest is not None:
            yield nearest

    # Many calls

    def query(self, template: QueryCall) -> Iterator[DigestedCall]:
        """Yield every call that fits and matches a template."""
        return self.select(Selection(template), self._loader)

    def select(self, selection: Selection, loader: Loader) -> Iterator[DigestedCall]:
        """Yield the calls that are selected and fit, in their order."""
        narrowed = self._only.narrowed(selection)
        if narrowed is not None:
            return iter(abilities.selected(self._calls, narrowed, loader))
        whole = replace(selection, limit=None, offset=0)
        found = filter(self._fits, abilities.selected(self._calls, whole, loader))
        stop = None if selection.limit is None else selection.offset + selection.limit
        return itertools.islice(found, selection.offset, stop)

    def count(self, selection: Selection, loader: Loader) -> int:
        """Return how many calls :meth:`select` would yield, but for limit and offset."""
        narrowed = self._only.narrowed(selection)
        if narrowed is not None:
            return abilities.counted(self._calls, narrowed, loader)
        return sum(1 for _ in self.select(replace(selection, limit=None, offset=0), loader))

    # What is known of functions

    def codes(self, name: str, module: str | None, version: Version) -> Sequence[Digest]:
        """Return the code digests of the other storage: they say nothing of single calls."""
        return abilities.codes_of(self._calls, name, module, version)

    def manifest(self, code: Digest) -> Mapping[str, str]:
        """Return the parts of a code digest."""
        return abilities.manifest_of(self._calls, code)

    def save_manifest(self, code: Digest, parts: Mapping[str, Digest]) -> None:
        """Store the parts of a code digest."""
        if isinstance(self._calls, abilities.SupportsManifests):
            self._calls.save_manifest(code, parts)
