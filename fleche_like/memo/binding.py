"""A call of a memoized function that is made later, possibly in another thread or process."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from fleche_like.memo.carrying import CarriedCache
from fleche_like.memo.travelling import Sealed, Traveller, seal, sealed

R = TypeVar("R")


class BoundCall(Generic[R]):
    """A call with its arguments, and with the cache in use where it was bound. Made by ``bind``.

    Calling it, without arguments, makes the call: in any thread or process, any number of times.
    It pickles if its arguments do; the function travels too (see :mod:`.travelling`).

    Args:
        function: the memoized function or method.
        args: positional arguments.
        kwargs: keyword arguments.
        cache: what it uses, and what memoized functions use that it calls.
        travelling: the function as it is packed once for many calls.
    """

    __slots__ = ("_known", "_travelling", "args", "cache", "function", "kwargs")

    def __init__(
        self,
        function: Callable[..., R],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        cache: CarriedCache,
        *,
        travelling: Traveller | None = None,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.cache = cache
        self._travelling = travelling
        self._known: Sealed | None = None

    def __call__(self) -> R:
        """Make the call.

        Returns:
            What the function returns; of a coroutine function a coroutine, which carries the
            cache along.
        """
        with self._in_place():
            answer = self.function(*self.args, **self.kwargs)
        if inspect.iscoroutine(answer):
            return cast("R", self._awaited(answer))
        return answer

    async def _awaited(self, answer: Coroutine[Any, Any, Any]) -> Any:
        with self._in_place():
            return await answer

    @contextlib.contextmanager
    def _in_place(self) -> Iterator[None]:
        with self.cache.in_use(), sealed(self.function, self._known):
            yield

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={v!r}" for name, v in self.kwargs.items())]
        return f"{self.function!r} bound to ({', '.join(given)})"

    def __reduce__(self) -> tuple[Any, ...]:
        function = self._travelling or Traveller(self.function)
        # Whoever passes it on may have other classes than where it was bound.
        known = self._known or seal(self.function, self.args, self.kwargs)
        return _arrived, (function, self.args, self.kwargs, self.cache, known)


def _arrived(
    function: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    cache: CarriedCache,
    known: Sealed | None,
) -> BoundCall[Any]:
    call: BoundCall[Any] = BoundCall(function, args, kwargs, cache)
    call._known = known
    return call


def run(call: Callable[[], R]) -> Any:
    """Make a call and return its result; a coroutine is run to its end on a loop of its own.

    What executors are given: at the top of a module, so that any of them can send it.
    """
    answer = call()
    return asyncio.run(answer) if inspect.iscoroutine(answer) else answer
