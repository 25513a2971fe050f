"""A bounded pool of connections that the last one used leaves first, warm."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator

from fleche_like.database.driver import Connection, Driver
from fleche_like.errors import DatabaseError

STREAM_SHARE = 4
"""Streams may keep so many times the pool's bound; further ones read everything at once."""


class Pool:
    """At most ``bound`` connections, checked out by popping a deque.

    ``idle`` is public for the hot path, which pops and appends by itself, and calls
    :meth:`wake` when ``waiting`` is not zero. Thread-safe.

    Args:
        driver: opens and closes connections.
        bound: how many connections there may be, streams apart.
        timeout_s: how long a checkout may wait, in seconds.
    """

    def __init__(self, driver: Driver, bound: int, timeout_s: float) -> None:
        self._driver = driver
        self._bound = 1 if driver.one_connection else bound
        self._timeout_s = timeout_s
        self._broken: str | None = None
        self.reset()

    def reset(self) -> None:
        """Start empty, with locks of our own: what a forked child does."""
        self.idle: deque[Connection] = deque()
        self.waiting = 0
        self._count = 0
        self._lent = 0
        self._frozen = False
        self._kept: list[Connection] = []
        # Entered itself, not through the condition, whose __enter__ is Python code: an interrupt
        # in there would leave it locked. Re-entrant, so that even then its thread can go on.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def acquire(self) -> Connection:
        """Check out a connection, opening one or waiting for one.

        Raises:
            DatabaseError: none became free in time, or none could be opened.
        """
        connection = self._idle_or_place(self._timeout_s)
        return self._opened() if connection is None else connection

    def acquire_for_stream(self) -> Connection | None:
        """Check out a connection that a consumer may keep for long; ``None`` if many are kept.

        What streams keep does not count against the bound: else a thread with a few open
        iterators would wait for itself.
        """
        with self._lock:
            if self._lent >= self._bound * STREAM_SHARE:
                return None
            self._lent += 1
        try:
            return self.acquire()
        except BaseException:
            self._lent_back()
            raise

    def _lent_back(self) -> None:
        with self._lock:
            self._lent -= 1

    def release_from_stream(self, connection: Connection, *, usable: bool) -> None:
        """Return a connection of :meth:`acquire_for_stream`, or close it if it is of no use."""
        self._lent_back()
        if usable:
            self.release(connection)
        else:
            self.discard(connection)

    @contextlib.contextmanager
    def beyond(self, keeps: bool) -> Iterator[None]:
        """Let a thread have another connection while it ``keeps`` one that does not count.

        Else as many threads as there are connections could all wait for one more.
        """
        if not keeps:
            yield
            return
        with self._lock:
            self._lent += 1
            self._changed.notify()
        try:
            yield
        finally:
            self._lent_back()

    def release(self, connection: Connection) -> None:
        """Return a connection that is in good order."""
        if self._count - self._lent > self._bound:
            self.discard(connection)
            return
        self.idle.append(connection)
        if self.waiting:
            self.wake()

    def wake(self) -> None:
        """Tell whoever waits that a connection was returned."""
        with self._lock:
            self._changed.notify()

    def discard(self, connection: Connection) -> None:
        """Close a connection instead of returning it."""
        self._driver.close(connection)
        self._forget()

    def close(self) -> None:
        """Close all idle connections; those in use are closed by nobody else than their users."""
        while self.idle:
            self.discard(self.idle.pop())

    def freeze(self, timeout_s: float) -> bool:
        """Let nobody check out, and wait until all connections are returned and closed.

        A database that lives in its connection keeps it, idle.

        Returns:
            Whether that was reached in time; either way call :meth:`thaw` afterwards.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._frozen = True
            self.waiting += 1
            try:
                while not self._quiet():
                    if not self._changed.wait(deadline - time.monotonic()):
                        return self._quiet()
            finally:
                self.waiting -= 1
        return True

    def thaw(self) -> None:
        """Undo :meth:`freeze`."""
        with self._lock:
            self._frozen = False
            self.idle.extend(self._kept)
            self._kept = []
            self._changed.notify_all()

    def renew(self, reason: str | None) -> None:
        """Make the pool of a forked child usable, or refuse all use for the reason given."""
        kept = self._kept
        self.reset()
        self.idle.extend(kept)
        self._count = len(kept)
        self._broken = reason

    def _idle_or_place(self, timeout_s: float) -> Connection | None:
        deadline = time.monotonic() + timeout_s
        with self._lock:
            # Counted before looking: whoever returns a connection after our look sees us.
            self.waiting += 1
            try:
                while True:
                    self._refuse_if_broken()
                    if not self._frozen:
                        if self.idle:
                            return self.idle.pop()
                        if self._count - self._lent < self._bound:
                            self._count += 1
                            return None
                    if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                        self._refuse_if_late(deadline)
            except IndexError:
                pass  # the hot path took it between our look and our pop: look again
            finally:
                self.waiting -= 1
        return self._idle_or_place(max(0.0, deadline - time.monotonic()))

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise DatabaseError(self._broken, url=self._driver.url)

    def _refuse_if_late(self, deadline: float) -> None:
        if time.monotonic() >= deadline:
            raise DatabaseError(
                f"no connection became free within {self._timeout_s:g} s", url=self._driver.url
            )

    def _opened(self) -> Connection:
        try:
            return self._driver.connect()
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        with self._lock:
            self._count -= 1
            self._changed.notify()

    def _quiet(self) -> bool:
        while self.idle:
            connection = self.idle.pop()
            if self._driver.one_connection:
                self._kept.append(connection)
            else:
                self._driver.close(connection)
                self._count -= 1
        return self._count == len(self._kept)
