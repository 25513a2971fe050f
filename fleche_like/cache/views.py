"""Views: a cache seen otherwise, to read only, in part, or to be computed anew."""

from __future__ import annotations

import abc
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fleche_like.cache.abilities import lookup_of
from fleche_like.cache.cache import Cache
from fleche_like.cache.composed import Composed
from fleche_like.cache.filtered_calls import Filter, FilteredCalls, Where
from fleche_like.calls import DigestedCall, LazyCall, PreparedCall
from fleche_like.errors import ReadOnlyError
from fleche_like.hashing import Digest
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)


class ReadOnlyCache(Composed):
    """A cache that answers and refuses to be changed.

    Args:
        cache: the cache.

    >>> import fleche_like as fl
    >>> ReadOnlyCache(fl.open_cache("memory://")).save(fl.Call("f", {"x": 1}, result=2))
    Traceback (most recent call last):
    fleche_like.errors.ReadOnlyError: ReadOnlyCache(Cache('memory://')) is read-only
    """

    def __init__(self, cache: Cache) -> None:
        super().__init__((cache,), None)


class _SomeAnswers(Composed):
    """A view that answers some of the calls of its cache; others are misses, whatever is stored."""

    @abc.abstractmethod
    def _answers(self, key: Digest) -> bool:
        """Return whether this view answers a call, if it is stored."""

    def lookup(self, key: Digest) -> Any | Missing:
        """Return the result of a call that this view answers: see :class:`Cache`."""
        return super().lookup(key) if self._answers(key) else self._counted(MISSING)

    def lookup_mapped(self, key: Digest, mmap: bool | Literal["verify"]) -> Any | Missing:
        """Return what :meth:`lookup` does, with large arrays mapped or not as is said here."""
        return super().lookup_mapped(key, mmap) if self._answers(key) else self._counted(MISSING)

    def lookup_many(self, keys: Iterable[Digest]) -> dict[Digest, Any]:
        """Return the results of those of many calls that this view answers: see :class:`Cache`."""
        wanted = [*dict.fromkeys(keys)]
        answered = [key for key in wanted if self._answers(key)]
        self.misses += len(wanted) - len(answered)
        return super().lookup_many(answered)


class RefreshingCache(_SomeAnswers):
    """A cache whose calls are computed anew and overwritten: it answers none.

    Queries, ``load`` and ``contains`` see what is stored.

    Args:
        cache: the cache.
        once: answer those that were stored through this view, in this process: each call is
            computed once.

    >>> import fleche_like as fl
    >>> cache = fl.open_cache("memory://")
    >>> @fl.memoize
    ... def now():
    ...     return print("computed")
    >>> with fl.use_cache(RefreshingCache(cache, once=True)):
    ...     now(), now()
    computed
    (None, None)
    """

    def __init__(self, cache: Cache, *, once: bool = False) -> None:
        self.once = once
        super().__init__((cache,), cache, values=cache.values, calls=cache.calls)

    def _start(self) -> None:
        super()._start()
        self._fresh: set[Digest] = set()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"once": self.once}

    def _answers(self, key: Digest) -> bool:
        return key in self._fresh

    def recall(self, key: Digest) -> Any | Missing:
        """Return what :meth:`lookup` does, from memory."""
        return super().recall(key) if self._answers(key) else MISSING

    def commit(
        self,
        prepared: PreparedCall,
        result: Any,
        metadata: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Digest] | None = None,
    ) -> Digest:
        """Store the result of a prepared call over what was there: see :class:`Cache`."""
        key = super().commit(prepared, result, metadata, manifest)
        if self.once:
            self._fresh.add(key)
        return key


class FilteredCache(_SomeAnswers):
    """Those calls of a cache that fit: others are neither seen nor stored.

    Args:
        cache: the cache.
        where: which calls: a template, an expression (which queries leave to SQL) or a function
            of a :class:`~fleche_like.LazyCall`. A look-up reads a call's record to tell.

    A call that does not fit is computed and not stored, with an entry in the log; ``refused``
    counts them. Values are those of the whole cache.

    >>> import fleche_like as fl
    >>> cache = fl.open_cache("memory://")
    >>> small = FilteredCache(cache, fl.arg("n") < 10)
    >>> keys = [cache.save(fl.Call("f", {"n": n}, result=n)) for n in (1, 100)]
    >>> [small.contains(key) for key in keys]
    [True, False]
    """

    def __init__(self, cache: Cache, where: Where) -> None:
        self.filter = Filter(where)
        calls = FilteredCalls(cache.calls, self.filter, cache)
        super().__init__((cache,), cache, values=cache.values, calls=calls)
        self.refused = 0

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"filter": self.filter, "refused": 0}

    def _answers(self, key: Digest) -> bool:
        call: DigestedCall | Missing = lookup_of(self.calls)(key)
        return call is not MISSING

    def recall(self, key: Digest) -> Any | Missing:  # noqa: ARG002
        """Return ``MISSING``: whether a call fits takes a read."""
        return MISSING

    def commit(
        self,
        prepared: PreparedCall,
        result: Any,
        metadata: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Digest] | None = None,
    ) -> Digest:
        """Store the result of a prepared call if that call fits: see :class:`Cache`."""
        if not self._fits(prepared.finished(result, metadata)):
            return prepared.key
        return super().commit(prepared, result, metadata, manifest)

    def adopt(self, call: DigestedCall, result: Any) -> None:
        """Store a finished call if it fits: see :class:`Cache`."""
        if self._fits(call):
            super().adopt(call, result)

    def _fits(self, call: DigestedCall) -> bool:
        target = self._writable()
        if self.filter.matches(LazyCall(call, target)):
            return True
        self.refused += 1
        logger.info("call %s is not stored: it does not fit the filter of %r", call.key, self)
        return False

    def evict(self, key: Digest | str) -> None:
        """Remove the record of a call that fits: see :class:`Cache`; silent about others."""
        full = self.calls.expand(key)
        if self._answers(full):
            super().evict(full)
        elif self.read_only:
            raise ReadOnlyError(f"{self!r} is read-only", url=self.url)
