"""Finding stored results without running anything: what batches and executors ask first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from fleche_like.cache import Cache
from fleche_like.calls import key_maker
from fleche_like.hashing import Digest
from fleche_like.hashing.tags import SCALARS

if TYPE_CHECKING:
    from fleche_like.memo.engine import Engine

Arguments: TypeAlias = tuple[tuple[Any, ...], Mapping[str, Any]]
"""The positional and the keyword arguments of a call."""

KeyFunction: TypeAlias = Callable[[tuple[Any, ...], Mapping[str, Any]], Digest | None]


class Finder:
    """Looks for the stored results of one function's calls in one cache.

    Whatever goes wrong costs the caching alone, unless the function is ``strict``. Hits of an
    audited function are left to the calls themselves, which know how to compare them.

    Args:
        engine: of the function.
        cache: where to look; ``None`` finds nothing.
    """

    def __init__(self, engine: Engine, cache: Cache | None) -> None:
        self._engine = engine
        self._cache = cache if engine.auditor is None else None

    def keys(self, leading: tuple[Any, ...], calls: Iterable[Arguments]) -> list[Digest | None]:
        """Return the keys of calls; ``None`` for one that is not cached, or is no possible call.

        Args:
            leading: what comes in front of the positional arguments: the instance of a method.
            calls: positional and keyword arguments of each.
        """
        if self._cache is None:
            return [None for _ in calls]
        key = self._plain_key() if self._engine.keys_are_plain else self._any_key
        return [key((*leading, *args), kwargs) for args, kwargs in calls]

    def _plain_key(self) -> KeyFunction:
        """Return what gives keys for as long as nobody changes the function."""
        engine = self._engine
        state = engine.tracker.current()
        if state.problem is not None:
            return self._any_key
        bind, otherwise = engine.binder.binding(), self._any_key
        key_of = key_maker(engine.name, engine.module, engine.version, state.code).key_of_scalars

        def key(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Digest | None:
            try:
                arguments = bind(*args, **kwargs)
            except TypeError:  # no possible call: making it will say so
                return None
            if SCALARS.issuperset(map(type, arguments.values())):
                return key_of(arguments)
            return otherwise(args, kwargs)

        return key

    def _any_key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Digest | None:
        try:
            request = self._engine.request(args, kwargs)
        except TypeError:  # no possible call: making it will say so
            return None
        return None if request is None else request.key

    def results(self, keys: Sequence[Digest]) -> dict[Digest, Any]:
        """Return the results of those of many keys that are stored; some may be ``Raised``."""
        if self._cache is None or not keys:
            return {}
        found = self._engine.find_many(keys, self._cache)
        self._engine.stats.hits += len(found)
        return found
