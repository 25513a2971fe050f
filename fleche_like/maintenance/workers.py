"""Requests to a place of bytes, several at once where each takes a round trip."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from fleche_like.backends import ByteBackend, LocalBackend, SupportsTransaction, TieredBackend
from fleche_like.backends.memory import MemoryBackend
from fleche_like.storage.sealed import Mapped

WORKERS: Final = 16
"""Requests under way at once."""


@contextlib.contextmanager
def workers(backend: ByteBackend) -> Iterator[Mapped]:
    """Give a ``map`` whose requests run at once where each is a round trip, else the plain one."""
    if isinstance(backend, LocalBackend | MemoryBackend | TieredBackend | SupportsTransaction):
        yield map
        return
    with ThreadPoolExecutor(WORKERS, "fleche-like-upkeep") as pool:
        yield pool.map
