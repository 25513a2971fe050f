"""Two backends as one: small payloads in one, large ones in the other."""

from __future__ import annotations

import functools
import heapq
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO, Final

from fleche_like.backends import abilities
from fleche_like.backends.base import (
    Buffer,
    ByteBackend,
    StorageStat,
    SupportsStat,
    SupportsTransaction,
    as_bytes,
)
from fleche_like.backends.keys import normalise, normalise_name
from fleche_like.backends.stripes import Stripes

# From here on a file of its own costs less than room in a database (measured on SQLite).
DEFAULT_THRESHOLD_BYTES: Final = 64 * 1024

_moving: Final = Stripes()


class TieredBackend:
    """Small payloads in one backend (say a database), large ones in another (say files).

    A key is looked for in the small tier first, so that one is what counts if both hold it: it may
    happen when the sizes of one key's payloads differ, and between the two steps of a write.

    What is appended to lives in the large tier, and is moved there by the first append. Records
    of several processes are kept apart and whole if the large tier's appends do that, and the small
    tier has transactions (or is seen by one process alone).

    Args:
        small: takes payloads of up to ``threshold_bytes``, but no empty ones; its transactions are
            this backend's.
        large: takes the rest, at once: what is written there survives a transaction that is
            undone, hidden by what the small tier still holds or harmless garbage.
        threshold_bytes: the largest payload that is small.
    """

    def __init__(
        self,
        small: ByteBackend,
        large: ByteBackend,
        *,
        threshold_bytes: int = DEFAULT_THRESHOLD_BYTES,
    ) -> None:
        self.small = small
        self.large = large
        self.threshold_bytes = threshold_bytes
        # Asked once, as every save of a large value looks whether it is there.
        self._stat_small, self._stat_large = _stat_of(small), _stat_of(large)
        if isinstance(small, SupportsTransaction):
            # An attribute, so that a tiered backend claims this ability only if it has it.
            self.transaction = small.transaction

    @property
    def url(self) -> str:
        return self.small.url

    def __repr__(self) -> str:
        limit = f"threshold_bytes={self.threshold_bytes}"
        return f"{type(self).__name__}({self.small!r}, {self.large!r}, {limit})"

    def put_bytes(self, key: str, data: Buffer) -> None:
        self.put_parts(key, (data,))

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        parts = [as_bytes(part) for part in parts]
        # Nothing is stored as nothing here: so an append tells a row of its own from one it found.
        if 0 < sum(map(len, parts)) <= self.threshold_bytes:
            # A larger twin is left behind, hidden: were it removed and the transaction undone,
            # the key would be lost.
            abilities.put_parts(self.small, key, parts)
            return
        # Written before the twin goes, so that a reader finds one of the two at any moment.
        abilities.put_parts(self.large, key, parts)
        self.small.delete(key)

    def append_bytes(self, key: str, data: Buffer) -> None:
        name = normalise_name(key)
        if not self.small.exists(name):
            abilities.append_bytes(self.large, name, data)
            return
        with self._alone(name):
            if held := self._locked(name):
                abilities.put_parts(self.large, name, (held, data))
            else:
                abilities.append_bytes(self.large, name, data)
            self.small.delete(name)

    def put_many(self, items: Iterable[tuple[str, Buffer]]) -> None:
        latest = {normalise_name(key): as_bytes(data) for key, data in items}
        large = {key for key, data in latest.items() if not 0 < len(data) <= self.threshold_bytes}
        with getattr(self, "transaction", nullcontext)():
            small = ((key, data) for key, data in latest.items() if key not in large)
            abilities.put_many(self.small, small)
            for key in large:
                self.put_bytes(key, latest[key])

    def get_bytes(self, key: str) -> bytes:
        try:
            return self.small.get_bytes(key)
        except KeyError:
            return self.large.get_bytes(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        missing = list(dict.fromkeys(keys))
        found = set()
        for key, data in abilities.get_many(self.small, missing):
            found.add(key)
            yield key, data
        yield from abilities.get_many(self.large, [key for key in missing if key not in found])

    def get_starts(self, keys: Iterable[str], length: int) -> Iterator[tuple[str, int, bytes]]:
        missing = list(dict.fromkeys(keys))
        found = set()
        for start in abilities.get_starts(self.small, missing, length):
            found.add(start[0])
            yield start
        rest = [key for key in missing if key not in found]
        yield from abilities.get_starts(self.large, rest, length)

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        try:
            return abilities.read_range(self.small, key, offset, length)
        except KeyError:
            return abilities.read_range(self.large, key, offset, length)

    def open_read(self, key: str) -> BinaryIO:
        try:
            return io.BytesIO(self.small.get_bytes(key))
        except KeyError:
            return abilities.open_read(self.large, key)

    def map_bytes(self, key: str) -> memoryview:
        try:
            return memoryview(bytearray(self.small.get_bytes(key)))
        except KeyError:
            return abilities.map_bytes(self.large, key)

    def stat(self, key: str) -> StorageStat | None:
        return self._stat_small(key) or self._stat_large(key)

    def renew(self, key: str) -> bool:
        return abilities.renew(self.small, key) or abilities.renew(self.large, key)

    def delete_older(self, key: str, before: float) -> bool:
        # In the order of `delete`; a young twin in the small tier stays, and is what counts.
        large = abilities.delete_older(self.large, key, before)
        return abilities.delete_older(self.small, key, before) and large

    def exists(self, key: str) -> bool:
        return self.small.exists(key) or self.large.exists(key)

    def delete(self, key: str) -> None:
        # The hidden twin first: killed in between, the other order would bring it back to light.
        self.large.delete(key)
        self.small.delete(key)

    def delete_prefix(self, prefix: str) -> None:
        self.large.delete_prefix(prefix)
        self.small.delete_prefix(prefix)

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        normalise(prefix)
        tiers = (tier.list_prefix(prefix, recursive=recursive) for tier in (self.small, self.large))
        return without_repeats(heapq.merge(*tiers))

    def ensure_prefix(self, prefix: str) -> None:
        self.small.ensure_prefix(prefix)
        self.large.ensure_prefix(prefix)

    def remove_empty(self, prefix: str) -> None:
        abilities.remove_empty(self.small, prefix)
        abilities.remove_empty(self.large, prefix)

    def sweep(self, *, older_than_s: float = 3600.0) -> int:
        return sum(abilities.sweep(tier, older_than_s) for tier in (self.small, self.large))

    def close(self) -> None:
        try:
            self.small.close()
        finally:
            self.large.close()

    def _locked(self, name: str) -> bytes:
        """Return what the small tier holds; nothing if it was moved since."""
        if hasattr(self, "transaction"):
            # Who does the same meanwhile waits here, and then finds an empty row of its own making.
            abilities.append_bytes(self.small, name, b"")
        elif not self.small.exists(name):
            return b""
        return self.small.get_bytes(name)

    def _alone(self, name: str) -> AbstractContextManager[Any]:
        # A thread inside a transaction must not wait for another that waits for the transaction.
        transaction = getattr(self, "transaction", None)
        return _moving.of(name) if transaction is None else transaction()


def _stat_of(backend: ByteBackend) -> Callable[[str], StorageStat | None]:
    if isinstance(backend, SupportsStat):
        return backend.stat
    return functools.partial(abilities.stat, backend)


def without_repeats(keys: Iterable[str]) -> Iterator[str]:
    """Yield sorted keys, each once."""
    last = None
    for key in keys:
        if key != last:
            yield key
        last = key
