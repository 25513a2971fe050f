"""Two backends with the same bytes: each can stand in for the other."""

from __future__ import annotations

import contextlib
import heapq
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from fleche_like.backends import abilities
from fleche_like.backends.base import Buffer, ByteBackend, StorageStat
from fleche_like.backends.keys import normalise, normalise_name
from fleche_like.backends.stripes import Stripes
from fleche_like.backends.tiered import without_repeats
from fleche_like.errors import KeyNotFound

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class MirroredBackend:
    """Every write goes to both, reads are answered by the secondary where the primary cannot.

    What the primary lacks and the secondary has is put back into the primary when it is read. A
    key is absent only if both say so: where one of them cannot be asked and the other lacks the
    key, that is :exc:`BackendUnavailable`. Listings need both.

    A write that reached the primary and failed in the secondary raises, and the primary keeps it;
    writing it again is enough. An append that did so must not be repeated: the next one to that
    key brings the secondary up to date. Two writers of one key may leave different bytes in the
    two, and a reader that puts back may overtake a writer, which does not matter where keys say
    what is stored under them, as digests do. Records that two processes append may lie in another
    order in each half.

    Args:
        primary: asked first.
        secondary: asked where the primary lacks a key or fails.
        repair: put back what the primary lacks.
    """

    def __init__(
        self, primary: ByteBackend, secondary: ByteBackend, *, repair: bool = True
    ) -> None:
        self.primary = primary
        self.secondary = secondary
        self.repair = repair
        self._begin()

    def _begin(self) -> None:
        self._appending = Stripes()
        self._behind: set[str] = set()  # keys whose last append did not reach the secondary

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("primary", "secondary", "repair")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    @property
    def url(self) -> str:
        return self.primary.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.primary!r}, {self.secondary!r})"

    def put_bytes(self, key: str, data: Buffer) -> None:
        self.primary.put_bytes(key, data)
        self.secondary.put_bytes(key, data)

    def put_parts(self, key: str, parts: Sequence[Buffer]) -> None:
        abilities.put_parts(self.primary, key, parts)
        abilities.put_parts(self.secondary, key, parts)

    def append_bytes(self, key: str, data: Buffer) -> None:
        name = normalise_name(key)
        with self._appending.of(name):
            if not self.primary.exists(name) and self.secondary.exists(name):
                self.primary.put_bytes(name, self.secondary.get_bytes(name))
            was_behind = name in self._behind
            self._behind.add(name)
            abilities.append_bytes(self.primary, name, data)
            if was_behind:
                self.secondary.put_bytes(name, self.primary.get_bytes(name))
            else:
                abilities.append_bytes(self.secondary, name, data)
            self._behind.discard(name)

    def put_many(self, items: Iterable[tuple[str, Buffer]]) -> None:
        owned = [(normalise_name(key), data) for key, data in items]
        abilities.put_many(self.primary, owned)
        abilities.put_many(self.secondary, owned)

    def get_bytes(self, key: str) -> bytes:
        try:
            return self.primary.get_bytes(key)
        except OSError as error:  # KeyNotFound is one, too
            data = self._instead(error, lambda: self.secondary.get_bytes(key))
            if isinstance(error, KeyNotFound):
                self._put_back(key, data)
            return data

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        missing = dict.fromkeys(keys)
        failure: OSError | None = None
        try:
            for key, data in abilities.get_many(self.primary, list(missing)):
                del missing[key]
                yield key, data
        except OSError as error:
            _log.warning("%s cannot be read, asking its mirror: %s", self.url, error)
            failure = error
        for key, data in abilities.get_many(self.secondary, list(missing)):
            del missing[key]
            if failure is None:
                self._put_back(key, data)
            yield key, data
        if failure is not None and missing:
            raise failure

    def read_range(self, key: str, offset: int, length: int | None = None) -> bytes:
        try:
            return abilities.read_range(self.primary, key, offset, length)
        except OSError as error:
            return self._instead(
                error, lambda: abilities.read_range(self.secondary, key, offset, length)
            )

    def stat(self, key: str) -> StorageStat | None:
        return self._first(lambda backend: abilities.stat(backend, key))

    def exists(self, key: str) -> bool:
        return bool(self._first(lambda backend: backend.exists(key)))

    def delete(self, key: str) -> None:
        # The other order would let a read put it back, if this stopped half way.
        self.secondary.delete(key)
        self.primary.delete(key)

    def delete_prefix(self, prefix: str) -> None:
        self.secondary.delete_prefix(prefix)
        self.primary.delete_prefix(prefix)

    def list_prefix(self, prefix: str, *, recursive: bool = False) -> Iterator[str]:
        normalise(prefix)
        both = (self.primary, self.secondary)
        listings = (backend.list_prefix(prefix, recursive=recursive) for backend in both)
        return without_repeats(heapq.merge(*listings))

    def ensure_prefix(self, prefix: str) -> None:
        self.primary.ensure_prefix(prefix)
        self.secondary.ensure_prefix(prefix)

    def remove_empty(self, prefix: str) -> None:
        abilities.remove_empty(self.primary, prefix)
        abilities.remove_empty(self.secondary, prefix)

    def sweep(self, *, older_than_s: float = 3600.0) -> int:
        return sum(abilities.sweep(half, older_than_s) for half in (self.primary, self.secondary))

    def close(self) -> None:
        try:
            self.primary.close()
        finally:
            self.secondary.close()

    def _instead(self, error: OSError, read: Callable[[], _T]) -> _T:
        if not isinstance(error, KeyNotFound):
            _log.warning("%s cannot be read, asking its mirror: %s", self.url, error)
        try:
            return read()
        except KeyNotFound:
            raise error from None

    def _first(self, ask: Callable[[ByteBackend], _T]) -> _T:
        try:
            found = ask(self.primary)
        except OSError as error:
            _log.warning("%s cannot be asked, asking its mirror: %s", self.url, error)
            if found := ask(self.secondary):
                return found
            raise
        return found or ask(self.secondary)

    def _put_back(self, key: str, data: bytes) -> None:
        if not self.repair:
            return
        # Whoever reads has got what was asked for; the next reader will try again.
        with contextlib.suppress(OSError):
            # It may have been written or removed while it was on its way.
            if self.secondary.get_bytes(key) == data and not self.primary.exists(key):
                self.primary.put_bytes(key, data)
                _log.info("put %s back into %s", key, self.url)
