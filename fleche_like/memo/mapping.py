"""``f.map``: a batch of calls, of which only those run that are not stored."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from fleche_like.memo.batch import Batch, Entry, Item
from fleche_like.memo.binding import BoundCall, run
from fleche_like.memo.carrying import CarriedCache
from fleche_like.memo.loops import has_loop, off_the_loop
from fleche_like.support.progress import Progress, progress
from fleche_like.support.sentinel import MISSING

if TYPE_CHECKING:
    from fleche_like.memo.memoized import CallTools

_MOST_NAMED: Final = 10
"""Failures whose places an error tells."""


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How a batch is run: see ``Memoized.map``."""

    star: bool
    executor: Executor | None
    progress: bool
    chunk: int
    return_exceptions: bool

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ValueError(f"chunk={self.chunk}: at least one call is looked up at a time")


class _Run:
    """What runs of both kinds have in common: the batch, the bar, and the failures so far."""

    def __init__(
        self,
        function: CallTools[..., Any],
        carried: CarriedCache,
        items: Iterable[Any],
        options: MapOptions,
    ) -> None:
        self._batch = Batch(function, carried)
        self._items = items
        self._options = options
        self._name = getattr(function, "__qualname__", "calls")
        self._failures: list[tuple[int, BaseException]] = []
        self._position = 0

    def _bar(self) -> Progress:
        return progress(self._name, self._items, wanted=self._options.progress)

    def _next_chunk(self, rest: Iterator[Any]) -> list[Entry]:
        return self._batch.next_chunk(rest, self._options.chunk, star=self._options.star)

    def _finish(self, item: Item) -> None:
        """Take note that a call is made."""
        self._batch.finish(item)
        if item.error is not None and not self._options.return_exceptions:
            self._failures.append((self._position, item.error))

    def _raise_failure(self) -> None:
        """Raise the first failure, if there was one: all calls are made by now."""
        if self._failures:
            position, error = self._failures[0]
            error.add_note(f"{self._name}.map: call {position} failed; {self._others()}")
            raise error

    def _others(self) -> str:
        others = [str(position) for position, _ in self._failures[1:]]
        named = ", ".join(others[:_MOST_NAMED]) + (", …" if len(others) > _MOST_NAMED else "")
        failed = f"so did {len(others)} others ({named})" if others else "no other did"
        return f"{failed}, and all {self._position} calls were made"


class ThreadRun(_Run):
    """A run in this thread, or by an executor."""

    def results(self) -> Iterator[Any]:
        """Yield the results in order; raise the first failure when all calls are made."""
        waiting: deque[deque[Entry]] = deque()
        bar = self._bar()
        hit = bar.update
        try:
            for chunk in self._started(waiting, bar):
                while chunk:
                    item, result = chunk[0]
                    if item is None:
                        hit()
                    else:
                        result = self._answer(item, bar)
                    chunk.popleft()
                    self._position += 1
                    if not self._failures:
                        yield result
            self._raise_failure()
        finally:
            for item, _ in chain.from_iterable(waiting):
                if item is not None and item.running is not None:
                    item.running.cancel()
            bar.close()

    def _started(self, waiting: deque[deque[Entry]], bar: Progress) -> Iterator[deque[Entry]]:
        """Yield the chunks in order; an executor always has the next one as well.

        Each stays among those that wait while its answers are awaited.
        """
        ahead = 0 if self._options.executor is None else 1
        rest = iter(self._items)
        while chunk := self._next_chunk(rest):
            self._start(chunk, bar)
            waiting.append(deque(chunk))
            while len(waiting) > ahead:
                yield waiting[0]
                waiting.popleft()
        while waiting:
            yield waiting[0]
            waiting.popleft()

    def _start(self, chunk: Iterable[Entry], bar: Progress) -> None:
        executor = self._options.executor
        for item, _ in chunk:
            if executor is not None and item is not None and item.is_to_run:
                item.running = submitted(executor, item.call)
                item.running.add_done_callback(lambda done: done.cancelled() or bar.update())

    def _answer(self, item: Item, bar: Progress) -> Any:
        is_counted = item.running is not None
        try:
            return self._result(item)
        except Exception as error:  # noqa: BLE001  a failure does not keep the others from running
            item.error = error
            return error
        finally:
            self._finish(item)
            if not is_counted:
                bar.update()

    def _result(self, item: Item) -> Any:
        if item.error is not None:
            raise item.error
        if item.first is not None:
            found = self._batch.look_again(item)
            if found is not MISSING:
                return found
            if self._options.executor is not None:
                item.running = submitted(self._options.executor, item.call)
        return run(item.call) if item.running is None else item.running.result()


class LoopRun(_Run):
    """A run of a coroutine function on the loop, or by an executor."""

    async def results(self) -> AsyncIterator[Any]:
        """Yield the results in order; raise the first failure when all calls are made."""
        chunk: deque[Entry] = deque()
        bar = self._bar()
        rest = iter(self._items)
        try:
            while chunk := await self._started(rest):
                while chunk:
                    item, result = chunk[0]
                    answer = result if item is None else await self._answer(item)
                    chunk.popleft()
                    bar.update()
                    self._position += 1
                    if not self._failures:
                        yield answer
            self._raise_failure()
        finally:
            running = [item.running for item, _ in chunk if item is not None]
            await _cancelled([each for each in running if each is not None])
            bar.close()

    async def _started(self, rest: Iterator[Any]) -> deque[Entry]:
        # The items are read here: what gives them may belong to the loop.
        spelt = self._batch.read(rest, self._options.chunk, star=self._options.star)
        chunk = deque(await off_the_loop(self._batch.looked_up, spelt)) if spelt else deque()
        for item, _ in chunk:
            if item is not None and item.is_to_run:
                self._start(item)
        return chunk

    def _start(self, item: Item) -> None:
        if self._options.executor is not None:
            item.running = asyncio.wrap_future(submitted(self._options.executor, item.call))
        elif has_loop():
            item.running = asyncio.ensure_future(item.call())

    async def _answer(self, item: Item) -> Any:
        try:
            return await self._result(item)
        except Exception as error:  # noqa: BLE001  a failure does not keep the others from running
            item.error = error
            return error
        finally:
            self._finish(item)

    async def _result(self, item: Item) -> Any:
        if item.error is not None:
            raise item.error
        if item.first is not None:
            found = await off_the_loop(self._batch.look_again, item)
            if found is not MISSING:
                return found
            self._start(item)
        return await (item.call() if item.running is None else item.running)


def submitted(executor: Executor, call: BoundCall[Any]) -> Future[Any]:
    """Return the future of a call; a failed one where the executor does not take it."""
    try:
        return executor.submit(run, call)
    except Exception as error:  # noqa: BLE001  a pool that broke does not lose what was computed
        return failed(error)


def failed(error: BaseException) -> Future[Any]:
    """Return a future that raises."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


async def _cancelled(running: list[asyncio.Future[Any]]) -> None:
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
