"""Caches in front of one another: near and fast ones on top, the shared one at the bottom."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from fleche_like.cache.abilities import lookup_of
from fleche_like.cache.cache import Cache
from fleche_like.cache.composed import Composed
from fleche_like.calls import DigestedCall, PreparedCall
from fleche_like.hashing import Digest, value_digest
from fleche_like.storage import Intent
from fleche_like.storage.stripes import LockStripes
from fleche_like.support.forks import renew_after_fork
from fleche_like.support.sentinel import MISSING, Missing

logger = logging.getLogger(__name__)

_STRIPES: Final = 64


class CacheStack(Composed):
    """Reads through its caches from the top down, and writes to the bottom.

    Args:
        *caches: the top first.

    Raises:
        ConfigError: there are no caches.

    A result that is found below is copied, with the record of its call, into those above that can
    be written to; a copy that fails costs the copy alone. A write goes to the bottom, and out of
    all others goes what they held of that call, before and after: no top answers with something
    older. Where a top is read-only and holds the call, a write is refused. A top that fails to
    answer is passed over.

    In one process a copy of a call is not made while the call is written, nor the other way round.
    Another process's write to the bottom may come between; so a copy is looked at again when it is
    there, and until then this stack does not answer from it. To keep them apart too (a process may
    be killed before it looks), give the tops an
    :class:`~fleche_like.storage.InterProcessLockMixin`. A top is not told what others write to
    the bottom past every stack that it is in.

    Single flight is that of the bottom. Thread-safe as the caches are; closing the stack closes
    them.

    >>> import fleche_like as fl
    >>> near, shared = fl.open_cache("memory://"), fl.open_cache("memory://")
    >>> key = shared.save(fl.Call("f", {"x": 1}, result=2))
    >>> CacheStack(near, shared).lookup(key), near.contains(key)
    (2, True)
    """

    def __init__(self, *caches: Cache) -> None:
        super().__init__(caches, caches[-1] if caches else None)

    def _start(self) -> None:
        super()._start()
        self._tops = self.members[:-1]
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        self._guard = threading.Lock()
        self._filling: set[Digest] = set()
        # Taken inside the contexts of the caches, which callers may hold around an operation.
        self._changing = LockStripes(_STRIPES)

    # Looking up

    def lookup(self, key: Digest) -> Any | Missing:
        """Return the result of the call of a full key, or ``MISSING``: see :class:`Cache`."""
        with self._inside(key, Intent.READ):
            result, number = self._found(key)
        self._fill(key, result, number)
        return self._counted(result)

    def lookup_mapped(self, key: Digest, mmap: bool | Literal["verify"]) -> Any | Missing:
        """Return what :meth:`lookup` does, with large arrays mapped or not as is said here."""
        with self._inside(key, Intent.READ):
            result, number = self._found(key, mmap)
        self._fill(key, result, number)
        return self._counted(result)

    def lookup_many(self, keys: Iterable[Digest]) -> dict[Digest, Any]:
        """Return the results of those of many full keys that are stored: see :class:`Cache`."""
        wanted = [*dict.fromkeys(keys)]
        found = self._found_many(wanted)
        for key, (result, number) in found.items():
            self._fill(key, result, number)
        self.hits += len(found)
        self.misses += len(wanted) - len(found)
        return {key: result for key, (result, _) in found.items()}

    def recall(self, key: Digest) -> Any | Missing:
        """Return what the top has in memory, or ``MISSING``: see :class:`Cache`."""
        return MISSING if key in self._filling else super().recall(key)

    def _found(
        self, key: Digest, mmap: bool | Literal["verify"] | None = None
    ) -> tuple[Any | Missing, int]:
        last = len(self.members) - 1
        for number, member in enumerate(self.members):
            if number < last and key in self._filling:
                continue
            try:
                result = member.lookup(key) if mmap is None else member.lookup_mapped(key, mmap)
            except Exception as problem:
                if number == last:
                    raise
                _note(member, "does not answer", problem)
                continue
            if result is not MISSING:
                return result, number
        return MISSING, -1

    def _found_many(self, keys: Sequence[Digest]) -> dict[Digest, tuple[Any, int]]:
        found: dict[Digest, tuple[Any, int]] = {}
        last = len(self.members) - 1
        for number, member in enumerate(self.members):
            passed = self._filling if number < last else ()
            missing = [key for key in keys if key not in found and key not in passed]
            try:
                results = self._many_of(member, missing)
            except Exception as problem:
                if number == last:
                    raise
                _note(member, "does not answer", problem)
                continue
            found |= {key: (result, number) for key, result in results.items()}
        return found

    def _many_of(self, member: Cache, keys: Sequence[Digest]) -> dict[Digest, Any]:
        if not self._wraps or not keys:
            return member.lookup_many(keys) if keys else {}
        with self._operation_contexts(keys, intent=Intent.READ):
            return member.lookup_many(keys)

    # Filling what is above

    def _fill(self, key: Digest, result: Any, number: int) -> None:
        """Copy a result that a member has into those above it; whatever goes wrong is noted."""
        above = [member for member in self.members[: max(number, 0)] if not member.read_only]
        if not above or not self._begin_filling(key):
            return
        try:
            with self._inside(key, Intent.WRITE), self._changing.of(key):
                self._copy(key, result, self.members[number], above)
        except Exception as problem:  # noqa: BLE001  what was found is answered all the same
            _note(above[0], "was not filled", problem)
        finally:
            with self._guard:
                self._filling.discard(key)

    def _begin_filling(self, key: Digest) -> bool:
        with self._guard:
            if key in self._filling:
                return False
            self._filling.add(key)
            return True

    def _copy(self, key: Digest, result: Any, source: Cache, above: Sequence[Cache]) -> None:
        find = lookup_of(source.calls)
        call: DigestedCall | Missing = find(key)
        # The record may be younger than the result.
        if call is MISSING or call.result != value_digest(result):
            return
        try:
            for member in above:
                member.adopt(call, result)
        finally:
            # A write that came between has cleared the tops before the copy was there.
            now: DigestedCall | Missing = find(key)
            if now is MISSING or now.result != call.result:
                for member in above:
                    member.evict(key)

    # Writing

    def commit(
        self,
        prepared: PreparedCall,
        result: Any,
        metadata: Mapping[str, Any] | None = None,
        manifest: Mapping[str, Digest] | None = None,
    ) -> Digest:
        """Store the result of a prepared call at the bottom: see :class:`Cache`.

        Raises:
            ReadOnlyError: the bottom is read-only, or a top that holds the call is.
        """
        bottom = self._writable()
        with self._inside(prepared.key, Intent.WRITE), self._changing.of(prepared.key):
            self._clear_tops(prepared.key)
            key = bottom.commit(prepared, result, metadata, manifest)
            self._clear_tops(key)
        self.stored += 1
        return key

    def adopt(self, call: DigestedCall, result: Any) -> None:
        """Store a finished call at the bottom as it is: see :class:`Cache`."""
        bottom = self._writable()
        with self._inside(call.key, Intent.WRITE), self._changing.of(call.key):
            self._clear_tops(call.key)
            bottom.adopt(call, result)
            self._clear_tops(call.key)
        self.stored += 1

    def evict(self, key: Digest | str) -> None:
        """Remove the record of a call from every cache: see :class:`Cache`."""
        full = self.calls.expand(key)
        with self._inside(full, Intent.WRITE), self._changing.of(full):
            super().evict(full)
            # Once more: a copy may have been made from below in between.
            self._clear_tops(full)

    def _clear_tops(self, key: Digest) -> None:
        self._refuse_if_kept(key)
        for top in self._tops:
            if not top.read_only and top.contains(key):
                top.evict(key)


def _note(member: Cache, what: str, problem: Exception) -> None:
    logger.warning("%r %s: %s: %s", member, what, type(problem).__name__, problem)
