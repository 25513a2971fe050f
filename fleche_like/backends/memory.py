"""Bytes in the memory of one process."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fleche_like.backends.abilities import slice_bytes
from fleche_like.backends.base import Buffer, StorageStat, as_bytes
from fleche_like.backends.keys import normalise, normalise_name, normalise_prefix
from fleche_like.errors import KeyNotFound
from fleche_like.support.forks import renew_after_fork

_numbers = itertools.count(1)


class MemoryBackend:
    """A :class:`ByteBackend` that lives and dies with its process.

    Reads take no lock. A pickled one arrives empty: its contents do not travel.

    >>> backend = MemoryBackend()
    >>> backend.put_bytes("runs/1", b"abc")
    >>> list(backend.list_prefix("")), list(backend.list_prefix("", recursive=True))
    (['runs/'], ['runs/1'])
    """

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}
        self._times: dict[str, float] = {}
        # Container -> its immediate children, so that listing one does not look at all keys.
        self._children: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._url = f"memory://{os.getpid()}-{next(_numbers)}"
        renew_after_fork(self)

    @property
    def url(self) -> str:
        return self._url

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._data)} keys>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def _renew_after_fork(self) -> None:
        self._lock = threading.Lock()

    def put_bytes(self, key: str, data: Buffer) -> None:
        key, data = normalise_name(key), bytes(data)
        with self._lock:
            self._put(key, data)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        self.put_bytes(key, b"".join(map(as_bytes, parts)))

    def append_bytes(self, key: str, data: Buffer) -> None:
        key = normalise_name(key)
        with self._lock:
            self._put(key, self._data.get(key, b"") + as_bytes(data))

    def put_many(self, items: Iterable[tuple[str, Buffer]]) -> None:
        owned = [(normalise_name(key), bytes(data)) for key, data in items]
        with self._lock:
            for key, data in owned:
                self._put(key, data)

    def get_bytes(self, key: str) -> bytes:
        try:
            return self._data[normalise(key)]
        except KeyError:
            message = f"nothing is stored under {key!r} in {self._url}"
            raise KeyNotFound(message, key=key, url=self._url) from None

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for key in keys:
            data = self._data.get(normalise(key))
            if data is not None:
                yield key, data

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        return slice_bytes(self.get_bytes(key), offset, length)

    def stat(self, key: str) -> StorageStat | None:
        key = normalise(key)
        with self._lock:
            data = self._data.get(key)
            return None if data is None else StorageStat(len(data), self._times[key])

    def renew(self, key: str) -> bool:
        key = normalise(key)
        with self._lock:
            if key not in self._data:
                return False
            self._times[key] = time.time()
            return True

    def delete_older(self, key: str, before: float) -> bool:
        key = normalise(key)
        with self._lock:
            if key in self._data and self._times[key] >= before:
                return False
            self._delete(key)
            return True

    def exists(self, key: str) -> bool:
        return normalise(key) in self._data

    def delete(self, key: str) -> None:
        key = normalise(key)
        with self._lock:
            self._delete(key)

    def delete_prefix(self, prefix: str) -> None:
        for key in self.list_prefix(prefix, recursive=True):
            self.delete(key)

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        return self._list(normalise_prefix(prefix), recursive)

    def ensure_prefix(self, prefix: str) -> None:
        normalise(prefix)

    def close(self) -> None:
        """Do nothing: the contents are the backend's to keep as long as it lives."""

    def _put(self, key: str, data: bytes) -> None:
        new = key not in self._data
        self._data[key] = data
        self._times[key] = time.time()
        if new:
            self._enter(key)

    def _enter(self, child: str) -> None:
        while child:
            container = _container(child)
            siblings = self._children.setdefault(container, set())
            known = bool(siblings)
            siblings.add(child)
            if known:
                return
            child = container

    def _delete(self, key: str) -> None:
        if self._data.pop(key, None) is None:
            return
        del self._times[key]
        child = key
        while child:
            container = _container(child)
            siblings = self._children[container]
            siblings.discard(child)
            if siblings:
                return
            del self._children[container]
            child = container

    def _list(self, container: str, recursive: bool) -> Iterator[str]:
        with self._lock:
            children = sorted(self._children.get(container, ()))
        for child in children:
            if recursive and child.endswith("/"):
                yield from self._list(child, recursive)
            else:
                yield child


def _container(child: str) -> str:
    """Return the container that a key or a container lies in, with its slash; empty is the root."""
    return child[: child.rfind("/", 0, len(child) - 1) + 1]
