"""Calls of one function, looked up many at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fleche_like.hashing import Digest
from fleche_like.memo.binding import BoundCall, run
from fleche_like.memo.carrying import CarriedCache
from fleche_like.memo.finding import Arguments, Finder
from fleche_like.memo.raised import Raised
from fleche_like.memo.travelling import Traveller
from fleche_like.support.sentinel import MISSING, Missing

if TYPE_CHECKING:
    from fleche_like.memo.memoized import CallTools

CHUNK: Final = 1000
"""Calls that are read and looked up together, unless said otherwise."""


@dataclass(slots=True, eq=False)
class Item:
    """A call of a batch whose result was not found at once.

    Args:
        call: to be made anywhere.
        key: under which it is stored; ``None`` if it is not.
        first: the same call earlier in the batch, which this one waits for.
        running: what runs it, if that is elsewhere.
        error: what it raised, now or when that was stored.
    """

    call: BoundCall[Any]
    key: Digest | None
    first: Item | None = None
    running: Any = None
    error: BaseException | None = None

    @property
    def is_to_run(self) -> bool:
        """Whether it has to be made, for all that is known now."""
        return self.first is None and self.error is None


Entry: TypeAlias = tuple[Item | None, Any]
"""A call that is to be made, or ``None`` and the stored result."""


class Batch:
    """Calls of one function that are read and looked up in chunks.

    Equal calls are run once: those that come later wait for the first one, and then look again.

    Args:
        function: a memoized function or method.
        carried: the cache that its calls use.
    """

    def __init__(self, function: CallTools[..., Any], carried: CarriedCache) -> None:
        engine = function._engine
        self._function = function
        self._leading = function._leading
        self._carried = carried
        self._finder = Finder(engine, engine.bound_cache or carried.cache)
        self._unfinished: dict[Digest, Item] = {}

    def next_chunk(self, items: Iterator[Any], size: int, *, star: bool) -> list[Entry]:
        """Read and look up the next calls, at most ``size``; none when the items are used up.

        Args:
            items: the arguments of each call.
            size: how many to read.
            star: whether an item is a sequence of positional or a mapping of keyword arguments,
                and not the one argument.
        """
        return self.looked_up(self.read(items, size, star=star))

    def read(self, items: Iterator[Any], size: int, *, star: bool) -> list[Arguments]:
        """Read as :meth:`next_chunk` does, and leave looking up to :meth:`looked_up`."""
        taken = itertools.islice(items, size)
        return [*map(_starred, taken)] if star else [((each,), {}) for each in taken]

    def looked_up(self, spelt: Sequence[Arguments]) -> list[Entry]:
        """Find what is stored, and who waits for whom; in one statement, where the cache can."""
        keys = self._finder.keys(self._leading, spelt)
        stored = self._finder.results([*dict.fromkeys(key for key in keys if key is not None)])
        travelling = Traveller(self._function)
        chunk: list[Entry] = []
        for key, (args, kwargs) in zip(keys, spelt, strict=True):
            result = MISSING if key is None else stored.get(key, MISSING)
            if result is MISSING or result is _HANDED_OUT:
                item = Item(self._bound(travelling, args, kwargs), key)
                item.first = _FOUND if result is _HANDED_OUT else self._first_like(item)
                chunk.append((item, MISSING))
            elif type(result) is Raised:
                item = Item(self._bound(travelling, args, kwargs), key)
                item.error = result.exception
                chunk.append((item, MISSING))
            else:
                assert key is not None
                stored[key] = _HANDED_OUT
                chunk.append((None, result))
        return chunk

    def _bound(
        self, travelling: Traveller, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BoundCall[Any]:
        return BoundCall(self._function, args, kwargs, self._carried, travelling=travelling)

    def _first_like(self, item: Item) -> Item | None:
        if item.key is None:
            return None
        first = self._unfinished.setdefault(item.key, item)
        return None if first is item else first

    def look_again(self, item: Item) -> Any | Missing:
        """Return the result of a call that waited for another one, which is finished now.

        In memory of its own; ``MISSING`` if it was not stored, so that this one is to run too.

        Raises:
            Exception: what the other one raised.
        """
        assert item.first is not None
        assert item.key is not None
        first, item.first = item.first, None
        if first.error is not None:
            raise first.error
        found = self._finder.results([item.key]).get(item.key, MISSING)
        if type(found) is Raised:
            raise found.exception
        return found

    def finish(self, item: Item) -> None:
        """Take note that a call is made: the next one like it is looked up."""
        item.running = None
        if item.key is not None and self._unfinished.get(item.key) is item:
            del self._unfinished[item.key]


_FOUND: Final = Item(BoundCall(run, (), {}, CarriedCache(None)), None)
"""Stands for an earlier call that was a hit."""

_HANDED_OUT: Final = object()


def _starred(item: Any) -> Arguments:
    return ((), item) if isinstance(item, Mapping) else ((*item,), {})
