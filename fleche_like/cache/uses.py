"""When calls were used last, noted in memory until somebody writes it down."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final

from fleche_like.hashing import Digest
from fleche_like.support.forks import renew_after_fork

MOST_NOTED: Final = 4096
"""Calls that wait to be written down: some 600 kB."""

LONGEST_WAIT_S: Final = 60.0
"""A process that only reads writes its uses down so often."""


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000


class Uses:
    """Last uses of calls by this process, in the order in which they were. Thread-safe."""

    def __init__(self) -> None:
        self._noted: dict[Digest, int] = {}
        self._latest = 0
        self._written = time.monotonic()
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._guard = threading.Lock()

    def moment(self) -> int:
        """Return the time, later than any moment before."""
        # A race between threads costs their order among themselves at most.
        self._latest = latest = max(self._latest + 1, now_us())
        return latest

    def note(self, key: Digest) -> bool:
        """Note a use; return whether it is time to write uses down."""
        self._noted[key] = self.moment()
        return len(self._noted) >= MOST_NOTED or (time.monotonic() - self._written > LONGEST_WAIT_S)

    def taken(self) -> dict[Digest, int]:
        """Return what was noted, and forget it."""
        with self._guard:
            noted, self._noted = self._noted, {}
            self._written = time.monotonic()
            return noted

    def give_back(self, uses: Mapping[Digest, int]) -> None:
        """Note again what could not be written down, unless there is too much of it."""
        with self._guard:
            if len(uses) < MOST_NOTED:
                self._noted = {**uses, **self._noted}
