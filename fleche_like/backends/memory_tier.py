"""A bounded memory in front of any backend."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from fleche_like.backends import abilities
from fleche_like.backends.base import Buffer, ByteBackend, StorageStat, as_bytes
from fleche_like.backends.keys import normalise, normalise_name
from fleche_like.support.forks import renew_after_fork

DEFAULT_BYTES: Final = 64 * 2**20


class MemoryTierBackend:
    """Keeps what was read or written lately in the memory of this process.

    Every write goes through at once. What other processes change is not noticed while it is kept:
    for keys whose bytes never change, as those of digests, or places that one process writes. Put
    nothing with transactions behind it whose blocks may be undone.

    Args:
        backend: where the bytes live; closed with this.
        max_bytes: of all that is kept; the least recently used goes first.
        max_item_bytes: larger payloads are not kept; an eighth of ``max_bytes`` if omitted.
    """

    def __init__(
        self,
        backend: ByteBackend,
        *,
        max_bytes: int = DEFAULT_BYTES,
        max_item_bytes: int | None = None,
    ) -> None:
        self.backend = backend
        self.max_bytes = max_bytes
        self.max_item_bytes = max_bytes // 8 if max_item_bytes is None else max_item_bytes
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._changes = 0

    def __getstate__(self) -> dict[str, Any]:
        names = ("backend", "max_bytes", "max_item_bytes")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        MemoryTierBackend.__init__(self, **state)

    @property
    def url(self) -> str:
        return self.backend.url

    @property
    def kept_bytes(self) -> int:
        """How many bytes are in memory now."""
        return self._bytes

    def holds(self, key: str) -> bool:
        """Return whether the bytes of a key are in memory."""
        return normalise(key) in self._kept

    def keep(self, key: str, data: bytes) -> None:
        """Keep bytes that are known to be under a key in the backend, and to stay what they are."""
        name = normalise_name(key)
        with self._lock:
            self._drop(name)
            self._add(name, data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.backend!r}, max_bytes={self.max_bytes})"

    def put_bytes(self, key: str, data: Buffer) -> None:
        name, owned = normalise_name(key), bytes(data)
        before = self._change(name)
        try:
            self.backend.put_bytes(name, owned)
        except BaseException:
            self._changed(name, before, None)
            raise
        self._changed(name, before, owned)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        parts = [as_bytes(part) for part in parts]
        if sum(map(len, parts)) <= self.max_item_bytes:
            self.put_bytes(key, b"".join(parts))
            return
        self._through(key, lambda name: abilities.put_parts(self.backend, name, parts))

    def append_bytes(self, key: str, data: Buffer) -> None:
        self._through(key, lambda name: abilities.append_bytes(self.backend, name, data))

    def put_many(self, items: Iterable[tuple[str, Buffer]]) -> None:
        owned = [(normalise_name(key), data) for key, data in items]
        self._forget()
        try:
            abilities.put_many(self.backend, owned)
        finally:
            self._forget()

    def get_bytes(self, key: str) -> bytes:
        name = normalise(key)
        with self._lock:
            data = self._kept.get(name)
            if data is not None:
                self._kept.move_to_end(name)
                return data
            before = self._changes
        # With the caller's spelling, which an error will quote.
        data = self.backend.get_bytes(key)
        self._keep(name, data, before)
        return data

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        missing = []
        for key in dict.fromkeys(keys):
            data = self._kept.get(normalise(key))
            if data is None:
                missing.append(key)
            else:
                yield key, data
        before = self._changes
        for key, data in abilities.get_many(self.backend, missing):
            self._keep(normalise(key), data, before)
            yield key, data

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        data = self._kept.get(normalise(key))
        if data is not None:
            return abilities.slice_bytes(data, offset, length)
        return abilities.read_range(self.backend, key, offset, length)

    def stat(self, key: str) -> StorageStat | None:
        return abilities.stat(self.backend, key)

    def exists(self, key: str) -> bool:
        return normalise(key) in self._kept or self.backend.exists(key)

    def delete(self, key: str) -> None:
        self._through(key, self.backend.delete)

    def delete_prefix(self, prefix: str) -> None:
        normalise(prefix)
        self._forget()
        try:
            self.backend.delete_prefix(prefix)
        finally:
            self._forget()

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        return self.backend.list_prefix(prefix, recursive=recursive)

    def ensure_prefix(self, prefix: str) -> None:
        self.backend.ensure_prefix(prefix)

    def remove_empty(self, prefix: str) -> None:
        abilities.remove_empty(self.backend, prefix)

    def sweep(self, *, older_than_s: float = 3600.0) -> int:
        return abilities.sweep(self.backend, older_than_s)

    def close(self) -> None:
        self._forget()
        self.backend.close()

    def _through(self, key: str, change: Callable[[str], None]) -> None:
        name = normalise(key)
        before = self._change(name)
        try:
            change(key)
        finally:
            self._changed(name, before, None)

    def _change(self, name: str) -> int:
        """Drop what is kept before it changes, so that nobody reads it once the change is done."""
        with self._lock:
            self._drop(name)
            self._changes += 1
            return self._changes

    def _changed(self, name: str, before: int, data: bytes | None) -> None:
        """Keep what was written, unless others wrote meanwhile: theirs may have come later."""
        with self._lock:
            alone = self._changes == before
            self._changes += 1
            self._drop(name)
            if alone and data is not None:
                self._add(name, data)

    def _keep(self, name: str, data: bytes, before: int) -> None:
        """Keep what was read, unless something was written since."""
        with self._lock:
            if self._changes == before and name not in self._kept:
                self._add(name, data)

    def _add(self, name: str, data: bytes) -> None:
        if len(data) > self.max_item_bytes:
            return
        self._kept[name] = data
        self._bytes += len(data)
        while self._bytes > self.max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)

    def _drop(self, name: str) -> None:
        data = self._kept.pop(name, None)
        if data is not None:
            self._bytes -= len(data)

    def _forget(self) -> None:
        with self._lock:
            self._changes += 1
            self._kept.clear()
            self._bytes = 0
