"""Rows of a statement, piece by piece, for consumers that take their time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from fleche_like.database.driver import Driver
from fleche_like.database.prepare import Row

BATCH_ROWS = 256


class Stream(Iterator[Row]):
    """An iterator over a cursor that returns its connection as soon as the rows are read.

    Thread-safe as iterators go: one consumer. Before a fork the remaining rows are read into
    memory, because the child could neither use nor close the connection.

    Args:
        cursor: where the rows come from.
        finished: called once, at the end of the stream; its arguments are the cursor, which it
            has to close, whether all rows were read, and the error, if any, that ended it.
        driver: knows its errors.
    """

    def __init__(
        self, cursor: Any, finished: Callable[[Any, bool, Exception | None], None], driver: Driver
    ) -> None:
        self._driver = driver
        self._cursor: Any | None = cursor
        self._finished = finished
        self._lock = threading.Lock()
        self._batch: Iterator[Row] = iter(())
        self._batch = iter(self._fetched())

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Row:
        for row in self._batch:
            return row
        self._batch = iter(self._fetched())
        return next(self._batch)

    def close(self) -> None:
        """Forget the remaining rows and return the connection."""
        with self._lock:
            self._batch = iter(())
            self._end(None)

    def __del__(self) -> None:
        self.close()

    def drain(self) -> None:
        """Read all remaining rows into memory and return the connection."""
        with self._lock:
            if self._cursor is not None:
                remaining = [*self._batch, *self._rows(None)]
                self._batch = iter(remaining)

    def _fetched(self) -> list[Row]:
        with self._lock:
            return self._rows(BATCH_ROWS)

    def _rows(self, count: int | None) -> list[Row]:
        cursor = self._cursor
        if cursor is None:
            return []
        try:
            rows: list[Row] = cursor.fetchall() if count is None else cursor.fetchmany(count)
        except self._driver.errors as error:
            self._end(error)
            raise self._driver.translated(error) from error
        if count is None or len(rows) < count:
            self._end(None, read_all=True)
        return rows

    def _end(self, error: Exception | None, *, read_all: bool = False) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            self._finished(cursor, read_all, error)
