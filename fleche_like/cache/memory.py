"""The memory tier: results of this process's recent hits, in front of index and values."""

from __future__ import annotations

import logging
import pickle
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from time import monotonic
from typing import Any, Final

from fleche_like.cache.immutable import is_immutable
from fleche_like.cache.tiers import tiers_at
from fleche_like.codecs import Codec, PickleCodec
from fleche_like.errors import SaveError
from fleche_like.hashing import Digest
from fleche_like.support.forks import renew_after_fork
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S: Final = 0.005
"""How long an eviction by another process may go unseen."""

_ENTRY_OVERHEAD_BYTES: Final = 300
"""Of the key, the entry and its place in the dict, as measured with tracemalloc."""

_LARGEST_SHARE: Final = 8
"""A value larger than this part of the tier would push out everything else."""

_MOST_READ_ONCE: Final = 50_000
"""Keys that wait for their second reading: some 7 MB."""

_PICKLE: Final = PickleCodec()


class _Entry:
    """A result: the object itself if it is immutable, else the pickle it is rebuilt from."""

    __slots__ = ("buffers", "payload", "size", "used", "value")

    def __init__(
        self, value: Any, payload: bytes | None, buffers: Sequence[bytes], size: int
    ) -> None:
        self.value = value
        self.payload = payload
        self.buffers = buffers
        self.size = size
        self.used = False


class MemoryTier:
    """Results by call key, bounded in bytes, least recently used out first (by CLOCK).

    A hit never shares mutable state with an earlier one. What other processes evict or overwrite
    is noticed within :data:`CHECK_INTERVAL_S`, through a generation number that the call storage
    raises whenever a stored call changes or goes; plain additions do not raise it.

    Args:
        max_bytes: bound on what is held; 0 holds nothing.
        generation: returns the number; may do I/O.
        codec: how what can change is held; pickle unless said otherwise.
        place: the same for all tiers of this process over the same calls: what one is told to
            forget, all of them do. ``None`` for a tier by itself.

    Attributes:
        changes: how often anything was forgotten because it had changed, or may have. Who reads
            from storage looks at it before, and hands it to ``put``.

    Thread-safe. ``get`` takes no lock.
    """

    def __init__(
        self,
        max_bytes: int,
        generation: Callable[[], int],
        codec: Codec | None = None,
        place: Hashable = None,
    ) -> None:
        self._codec = codec or _PICKLE
        self._loads: Callable[..., Any] = pickle.loads if codec is None else _loads_of(codec)
        self.max_bytes = max_bytes
        self.bytes = 0
        self._generation_now = generation
        self._generation: int | None = None
        self._fresh_until = 0.0
        self._entries: dict[str, _Entry] = {}
        self._read_once: set[str] = set()
        self.changes = 0
        self._renew_after_fork()
        renew_after_fork(self)
        self._tiers = tiers_at(place)
        self._tiers.join(self)

    def _renew_after_fork(self) -> None:
        self._lock = threading.Lock()
        # Whoever wrote, or was about to count, does not exist in a child.
        self._writing: set[object] = set()
        self.bytes = sum(entry.size for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Any | Missing:
        """Return the result of a call in memory of its own, or ``MISSING``."""
        if not self.max_bytes:
            return MISSING
        now = monotonic()
        if now >= self._fresh_until:
            self._revalidate(now)
        entry = self._entries.get(key)
        if entry is None:
            return MISSING
        entry.used = True
        if entry.payload is None:
            return entry.value
        if not entry.buffers:
            return self._loads(entry.payload)
        return self._loads(entry.payload, buffers=[bytearray(each) for each in entry.buffers])

    def get_many(self, keys: Iterable[Digest]) -> dict[Digest, Any]:
        """Return :meth:`get` of those of many keys that are here."""
        if not self.max_bytes:
            return {}
        now = monotonic()
        if now >= self._fresh_until:
            self._revalidate(now)
        entries = self._entries
        here = [key for key in keys if key in entries] if entries else ()
        found = ((key, self.get(key)) for key in here)
        return {key: result for key, result in found if result is not MISSING}

    def recall(self, key: str) -> Any | Missing:
        """Return what :meth:`get` would if it need not look for changes first, else ``MISSING``."""
        return self.get(key) if monotonic() < self._fresh_until else MISSING

    def _revalidate(self, now: float) -> None:
        """Forget everything if a stored call has changed or gone since the last look.

        The number is read before whatever a miss reads next from the storage, and nothing is
        kept that was read before the number. So an entry can be older than the number only if
        the number was raised later, which the next look notices.
        """
        if self._writing:
            return
        generation = self._generation_now()
        if generation != self._generation:
            self.clear()
            self._generation = generation
        self._fresh_until = now + CHECK_INTERVAL_S

    def put(self, key: str, value: Any, since: int) -> None:
        """Keep a result that was just read from storage, after ``get`` had not found it.

        Args:
            key: of the call.
            value: the result.
            since: what :attr:`changes` was before it was read. If that has changed, another thread
                may have overwritten the call meanwhile, and the result is not kept.

        Only the second such reading of a key counts: most results are read once, and a copy of
        each would cost time and push out what is read often. Without a ``get`` before, and where
        it does not fit, a result is not kept either.
        """
        if self._generation is None:
            return
        if key not in self._read_once:
            if len(self._read_once) >= _MOST_READ_ONCE:
                self._read_once.clear()
            self._read_once.add(key)
            return
        self._read_once.discard(key)
        entry = self._snapshot(value)
        if entry is None or entry.size > self.max_bytes // _LARGEST_SHARE:
            return
        with self._lock:
            if self.changes != since or self._writing:
                return
            self._drop(key)
            self._entries[key] = entry
            self.bytes += entry.size
            self._shrink_to_bound()

    def _snapshot(self, value: Any) -> _Entry | None:
        if is_immutable(value):
            return _Entry(value, None, (), _ENTRY_OVERHEAD_BYTES + value.__sizeof__())
        try:
            payload, views = self._codec.encode(value)
        except SaveError:
            return None
        size = len(payload) + sum(len(view) for view in views)
        if size > self.max_bytes // _LARGEST_SHARE:
            return None
        buffers = tuple(bytes(view) for view in views)
        return _Entry(None, bytes(payload), buffers, _ENTRY_OVERHEAD_BYTES + size)

    def _shrink_to_bound(self) -> None:
        """Drop the oldest entries until the rest fits, giving those hit since a second chance."""
        while self.bytes > self.max_bytes and self._entries:
            key = next(iter(self._entries))
            entry = self._entries[key]
            if entry.used:
                entry.used = False
                self._entries[key] = self._entries.pop(key)
            else:
                self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size

    def discard(self, key: str) -> None:
        """Forget one call's result, in all tiers of this process over the same calls."""
        for tier in self._tiers.members():
            tier._discard(key)

    def _discard(self, key: str) -> None:
        with self._lock:
            self.changes += 1
            self._drop(key)

    def begin_writing(self, writer: object) -> None:
        """Hold nothing, in any tier over the same calls, until :meth:`end_writing`.

        For a transaction that goes on after something was written in it: who is inside reads what
        may be undone, and others read what may be gone when it commits.

        Args:
            writer: whoever writes.
        """
        for tier in self._tiers.members():
            tier._writing.add(writer)
            tier._fresh_until = 0.0
            tier.clear()

    def end_writing(self, writer: object) -> None:
        """Hold results again, once nobody writes any more."""
        for tier in self._tiers.members():
            tier.clear()
            tier._writing.discard(writer)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.changes += 1
            self._entries.clear()
            self.bytes = 0


def _loads_of(codec: Codec) -> Callable[..., Any]:
    return lambda payload, buffers=(): codec.decode(payload, buffers)
