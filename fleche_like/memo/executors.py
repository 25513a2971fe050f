"""Executors whose workers are asked only for what is not stored yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, Generic, ParamSpec, TypeVar

from fleche_like.memo.batch import CHUNK, Batch, Item
from fleche_like.memo.binding import BoundCall, run
from fleche_like.memo.carrying import CarriedCache, carried_for
from fleche_like.memo.mapping import failed
from fleche_like.memo.memoized import CallTools
from fleche_like.support.sentinel import MISSING

P = ParamSpec("P")
R = TypeVar("R")


def wrap_executor(executor: Executor) -> MemoExecutor:
    """Return an executor that answers stored calls at once, and takes the cache in use along.

    Args:
        executor: any that follows ``concurrent.futures``: pools of threads and processes, loky's,
            the one of a Dask client, MPI's. Shutting the wrapper down shuts it down.

    >>> import fleche_like as fl
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> square = fl.memoize(cache=fl.open_cache("memory://"))(lambda x: x * x)
    >>> with fl.wrap_executor(ThreadPoolExecutor(2)) as executor:
    ...     executor.submit(square, 3).result(), list(executor.map(square, range(3)))
    (9, [0, 1, 4])
    """
    return executor if isinstance(executor, MemoExecutor) else MemoExecutor(executor)


class MemoExecutor(Executor):
    """An executor around another one. Made by :func:`wrap_executor`.

    Calls of memoized functions and methods are looked up here first, and only those that are not
    stored are submitted; coroutine functions are run to their end. Whatever is submitted uses the
    cache that is in use where it is submitted. Thread-safe as the other one is.

    Args:
        executor: the other one.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Schedule a call: see :meth:`concurrent.futures.Executor.submit`.

        Returns:
            The future of the result; done already, for a stored one.
        """
        if isinstance(fn, CallTools):
            return self._submitted(fn.bind(*args, **kwargs))
        if isinstance(fn, BoundCall) and not (args or kwargs):
            return self._submitted(fn)
        return self.executor.submit(InCache(fn, carried_for(None)), *args, **kwargs)

    def _submitted(self, call: BoundCall[Any]) -> Future[Any]:
        function = call.function
        if not isinstance(function, CallTools):
            return self.executor.submit(run, call)
        batch = Batch(function, call.cache)
        ((item, result),) = batch.looked_up([(call.args, call.kwargs)])
        return self._future(batch, item, result)

    def _future(self, batch: Batch, item: Item | None, result: Any) -> Future[Any]:
        if item is None:
            return _done(result)
        if item.error is not None:
            return failed(item.error)
        if item.first is not None:
            again = batch.look_again(item) if item.first.running is None else MISSING
            if again is not MISSING:
                return _done(again)
        future = item.running = self.executor.submit(run, item.call)
        return future

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[R]:
        """Make calls for all items: see :meth:`concurrent.futures.Executor.map`.

        Those of a memoized function are looked up together; ``f.map(…, executor=…)`` is the way
        for long batches, and for those of which some calls may fail.
        """
        if isinstance(fn, CallTools):
            futures = self._looked_up(fn, zip(*iterables, strict=False))
            return _results(futures, timeout)
        carrying = InCache(fn, carried_for(None))
        return self.executor.map(carrying, *iterables, timeout=timeout, chunksize=chunksize)

    def _looked_up(self, fn: CallTools[..., Any], items: Iterable[Any]) -> list[Future[Any]]:
        batch, rest = Batch(fn, fn._carried()), iter(items)
        futures: list[Future[Any]] = []
        while chunk := batch.next_chunk(rest, CHUNK, star=True):
            futures += [self._future(batch, item, result) for item, result in chunk]
        return futures

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut the other executor down; not every one knows ``cancel_futures``."""
        options = {"cancel_futures": True} if cancel_futures else {}
        self.executor.shutdown(wait, **options)


def _done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def _results(futures: list[Future[Any]], timeout: float | None) -> Iterator[Any]:
    """Yield results in order, as every executor's ``map`` does; cancel what is left at the end."""
    end = None if timeout is None else time.monotonic() + timeout
    futures.reverse()
    try:
        while futures:
            yield futures.pop().result(None if end is None else end - time.monotonic())
    finally:
        for future in futures:
            future.cancel()


class InCache(Generic[P, R]):
    """A function that runs with a cache in use; picklable if the function is.

    Args:
        function: any callable.
        cache: the cache.
    """

    def __init__(self, function: Callable[P, R], cache: CarriedCache) -> None:
        self.function = function
        self.cache = cache

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.cache.in_use():
            return self.function(*args, **kwargs)
