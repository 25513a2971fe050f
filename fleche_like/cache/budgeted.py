"""A cache that keeps within a budget."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from fleche_like.cache.account import MICROSECONDS, Account
from fleche_like.cache.cache import Cache
from fleche_like.cache.composed import Composed
from fleche_like.cache.prepared import SealedArguments
from fleche_like.cache.stats import CacheStats
from fleche_like.cache.uses import Uses, now_us
from fleche_like.calls import DigestedCall, PreparedCall
from fleche_like.errors import ConfigError, DatabaseError
from fleche_like.hashing import Digest
from fleche_like.storage import BackendValueStorage
from fleche_like.support.progress import progress
from fleche_like.support.sentinel import MISSING, Missing

if TYPE_CHECKING:
    from fleche_like.index.ledger import CallEntry, Eviction, Ledger

logger = logging.getLogger(__name__)

BATCH: Final = 1000
"""Calls that are taken into the account, or out of it, in one transaction."""

AT_ONCE: Final = 64
"""Calls that a save evicts at most in its own transaction; more go in further ones."""


T = TypeVar("T")


class Evicted(NamedTuple):
    """A call that was evicted, and the bytes that this freed."""

    key: Digest
    size: int


@dataclass(frozen=True)
class Budget:
    """What a cache may take.

    Args:
        max_bytes: of records and values, as they are stored; ``None`` for any number.
        max_items: calls.
        max_age: how long ago a call may have been used last, in seconds or as a timedelta.
        eviction: what goes first: ``"lru"``, what was used least recently; ``"cost"``, what took
            the least time for each byte, and was not used lately.

    Raises:
        ConfigError: there is no bound, or one makes no sense.
    """

    max_bytes: int | None = None
    max_items: int | None = None
    max_age: float | dt.timedelta | None = None
    eviction: Literal["lru", "cost"] = "lru"

    def __post_init__(self) -> None:
        bounds = [self.max_bytes, self.max_items, self.max_age_s]
        if all(bound is None for bound in bounds):
            raise ConfigError(
                "a budget needs max_bytes, max_items or max_age", source="BudgetedCache"
            )
        if any(bound is not None and bound < 0 for bound in bounds):
            raise ConfigError(f"a bound of {self} is below zero", source="BudgetedCache")
        if self.eviction not in {"lru", "cost"}:
            raise ConfigError(
                f"eviction={self.eviction!r}: either 'lru' or 'cost'", source="BudgetedCache"
            )

    @property
    def max_age_s(self) -> float | None:
        """The bound of ages in seconds."""
        age = self.max_age
        return age.total_seconds() if isinstance(age, dt.timedelta) else age

    def excess(self, account: Account, *, slack: bool) -> bool:
        """Return whether there are too many calls or bytes.

        Args:
            account: what there is.
            slack: whether something was evicted already: then a large cache goes a little below
                its bounds, so that not each of the next saves has to evict something.
        """
        items, size = self.max_items, self.max_bytes
        return (items is not None and account.items > _below(items, slack=slack)) or (
            size is not None and account.bytes > _below(size, slack=slack)
        )


def _below(bound: int, *, slack: bool) -> int:
    return bound - min(bound // 1024, AT_ONCE // 2) if slack else bound


class BudgetedCache(Cache):
    """A cache that evicts calls, and the values that no other call uses, to keep within a budget.

    Args:
        cache: a cache with its index in a database and its values in bytes, which this takes the
            place of.
        max_bytes: of records and values, as they are stored; equal values count once.
        max_items: calls.
        max_age: how long ago a call may have been used last, in seconds or as a timedelta.
        eviction: ``"lru"`` or ``"cost"``: see :class:`Budget`.

    Raises:
        ConfigError: the bounds make no sense, or the cache is of another kind.

    Each save makes room in its own transaction: what it takes does not depend on how much is
    stored. Whoever else keeps to a budget of the same cache keeps the same account, and waits for
    its turn; give all processes that write the same one. What others save without is noticed by
    the next save with it. A cache that gets its first budget is looked through once.

    Uses are noted in memory and written down with the next save, so that the order among
    processes is only about right; that of one process is exact. Every evicted call is in the log,
    and counted in :meth:`stats`. Evictions do not enter the operation context of what goes.

    A budget is no limit to the size of a database file, in which what is freed is used again.

    >>> import fleche_like as fl
    >>> cache = BudgetedCache(fl.open_cache("memory://"), max_items=2)
    >>> keys = [cache.save(fl.Call("f", {"n": n}, result=n)) for n in range(3)]
    >>> [cache.contains(key) for key in keys], cache.stats().evicted
    ([False, True, True], 1)
    """

    def __init__(
        self,
        cache: Cache,
        *,
        max_bytes: int | None = None,
        max_items: int | None = None,
        max_age: float | dt.timedelta | None = None,
        eviction: Eviction = "lru",
    ) -> None:
        self.budget = Budget(max_bytes, max_items, max_age, eviction)
        if isinstance(cache, Composed) or not hasattr(cache.calls, "ledger"):
            raise ConfigError(
                f"a budget is kept in the database of a cache; {cache!r} has none", source="budget"
            )
        if not isinstance(cache.values, BackendValueStorage):
            raise ConfigError(f"the values of {cache!r} have no size in bytes", source="budget")
        super().__init__(
            cache.values,
            cache.calls,
            memory_bytes=cache._memory_bytes,
            read_only=cache.read_only,
            url=cache.url,
            folder=cache.folder,
            resources=cache._resources,
        )

    def _start(self) -> None:
        super()._start()
        self._save_straight = None
        self._uses = Uses()
        self._ledger: Ledger = self.calls.ledger()  # type: ignore[attr-defined]
        self.evicted = 0
        self.evicted_bytes = 0
        if not self.read_only:
            self._adopt_unknown()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"budget": self.budget}

    # Looking up

    def lookup(self, key: Digest) -> Any | Missing:
        """Return the result of the call of a full key, or ``MISSING``: see :class:`Cache`."""
        return self._noted(key, super().lookup(key))

    def lookup_mapped(self, key: Digest, mmap: bool | Literal["verify"]) -> Any | Missing:
        """Return what :meth:`lookup` does, with large arrays mapped or not as is said here."""
        return self._noted(key, super().lookup_mapped(key, mmap))

    def recall(self, key: Digest) -> Any | Missing:
        """Return what :meth:`lookup` would if that takes microseconds: see :class:`Cache`."""
        result = super().recall(key)
        if result is not MISSING:
            self._uses.note(key)  # without writing uses down: the caller must not wait
        return result

    def lookup_many(self, keys: Iterable[Digest]) -> dict[Digest, Any]:
        """Return the results of those of many full keys that are stored: see :class:`Cache`."""
        found = super().lookup_many(keys)
        for key, result in found.items():
            self._noted(key, result)
        return found

    def _noted(self, key: Digest, result: Any | Missing) -> Any | Missing:
        if result is not MISSING and not self.read_only and self._uses.note(key):
            self._write_uses()
        return result

    def _write_uses(self) -> None:
        """Write down what was noted; what fails is tried again, and is not the caller's."""
        uses = self._uses.taken()
        if not uses:
            return
        try:
            self._in_account(lambda account: account.use(uses))
        except (DatabaseError, OSError) as problem:
            self._uses.give_back(uses)
            logger.warning("last uses of %r were not written down: %s", self, problem)

    # Saving

    def _store(
        self,
        call: DigestedCall,
        result: Any,
        prepared: PreparedCall,
        manifest: Mapping[str, Digest] | None,
    ) -> None:
        account, uses = self._account(), self._uses.taken()
        gone: list[Evicted] = []

        def save() -> None:
            account.forget_attempt()
            if account.is_one_database:
                account.begin()
            self._save_values(call, result, prepared)
            account.begin()
            self._save_again_what_went(account, call, result, prepared)
            account.hold(self._save_record(call, manifest))
            account.use(uses)
            gone[:] = self._made_room(account, call)
            account.end()

        try:
            with self._operation_context(call.key), self._storage_contexts(call, prepared):
                self._unit_of_work.run(save)
        except BaseException:
            self._uses.give_back(uses)
            raise
        self._forget(call.key)
        self.stored += 1
        self._after(account, gone)

    def _save_values(self, call: DigestedCall, result: Any, prepared: PreparedCall) -> None:
        # The result first: when it goes into a file, no transaction has begun yet.
        self.values.save(result, call.result)
        self._save_arguments(prepared)

    def _save_again_what_went(
        self, account: Account, call: DigestedCall, result: Any, prepared: PreparedCall
    ) -> None:
        """Save values again that were there, and were then removed by somebody else."""
        pending = prepared.pending if isinstance(prepared, SealedArguments) else {}
        wanted = [*pending] if call.result is None else [call.result, *pending]
        # Each is asked about, whatever the others are.
        sure = [account.is_sure(digest) and self._keeping.is_whole(digest) for digest in wanted]
        if not all(sure):
            self._save_values(call, result, prepared)

    def _made_room(self, account: Account, call: DigestedCall) -> list[Evicted]:
        """Enter a call that was saved, and evict what is too much then."""
        size = account.add(call, self._uses.moment())
        account.add_newer(AT_ONCE)
        entry = account.entry(call.key)
        if entry is not None and self.budget.max_bytes is not None and size > self.budget.max_bytes:
            return [Evicted(call.key, account.remove(entry, "lru"))]
        return self._evict_some(account, AT_ONCE)

    def _evict_some(self, account: Account, count: int) -> list[Evicted]:
        gone: list[Evicted] = []
        while len(gone) < count:
            found = self._next(account, slack=bool(gone))
            if found is None:
                break
            gone.append(Evicted(found[0].key, account.remove(*found)))
        return gone

    def _next(self, account: Account, *, slack: bool) -> tuple[CallEntry, Eviction] | None:
        """Return the call that has to go next, and whether for its use or its worth."""
        if self.budget.max_age_s is not None:
            limit = now_us() - int(MICROSECONDS * self.budget.max_age_s)
            for oldest in account.first("lru", 1):
                if oldest.used < limit:
                    return oldest, "lru"
        if self.budget.excess(account, slack=slack):
            for first in account.first(self.budget.eviction, 1):
                return first, self.budget.eviction
        return None

    def _after(self, account: Account, gone: Sequence[Evicted]) -> None:
        """Do what follows a commit: forget, count, log; and remove files, evict more if need be."""
        self._take_note(gone)
        if account.freed:
            self._sweep()
        while len(gone) >= AT_ONCE:
            account, gone = self._in_account(lambda each: self._evict_some(each, BATCH))
            self._take_note(gone)
            if account.freed:
                self._sweep()

    def _take_note(self, gone: Sequence[Evicted]) -> None:
        for key, size in gone:
            self._forget(key)
            logger.info("evicted call %s from %s to keep its budget: %d bytes", key, self.url, size)
        self.evicted += len(gone)
        self.evicted_bytes += sum(size for _, size in gone)

    def _sweep(self) -> None:
        swept = BATCH
        while swept == BATCH:
            _, swept = self._in_account(lambda account: account.sweep(BATCH))

    def evict(self, key: Digest | str) -> None:
        """Remove a call, and the values that no other call uses: see :class:`Cache`."""
        self._refuse_if_read_only()
        full = self.calls.expand(key)

        def remove(account: Account) -> None:
            entry = account.entry(full)
            if entry is None:
                self.calls._evict(full)
            else:
                account.remove(entry, "lru")

        with self._operation_context(full), self.calls._operation_context(full):
            account, _ = self._in_account(remove)
        self._forget(full)
        if account.freed:
            self._sweep()

    # The account

    def _account(self) -> Account:
        return Account(self.values, self.calls, self._ledger)  # type: ignore[arg-type]

    def _in_account(self, action: Callable[[Account], T]) -> tuple[Account, T]:
        """Run an action on the account in a transaction; return the account and what it gave."""
        account = self._account()
        given: list[T] = []

        def run() -> None:
            account.forget_attempt()
            account.begin()
            given[:] = [action(account)]
            account.end()

        self._unit_of_work.run(run)
        return account, given[0]

    def _adopt_unknown(self) -> None:
        """Take calls into account that were saved without; finish a sweep that was killed."""
        behind = self._account().behind()
        if behind:
            bar = progress("taking calls into account", range(behind), wanted=behind > BATCH)
            with contextlib.closing(bar):
                self._adopt_newer(bar.update)
        if self._ledger.unused(1):
            self._sweep()

    def _adopt_newer(self, seen: Callable[[int], object]) -> None:
        """Take calls in, so many in a transaction: what is killed goes on where it was."""
        looked = BATCH
        while looked == BATCH:
            _, looked = self._in_account(lambda account: account.add_newer_together(BATCH))
            seen(looked)
            logger.info("took %d calls of %s into the account of its budget", looked, self.url)

    # The whole

    def stats(self) -> CacheStats:
        """Return counts of this process's use and of what is stored."""
        items, size = self._account().look()
        return replace(
            super().stats(),
            evicted=self.evicted,
            evicted_bytes=self.evicted_bytes,
            budget_items=items,
            budget_bytes=size,
        )

    def close(self) -> None:
        """Write down last uses, and release connections and memory."""
        path = self.calls.database.path  # type: ignore[attr-defined]
        # A connection would make the file again that somebody removed.
        if not self.read_only and (path is None or path.exists()):
            self._write_uses()
        super().close()
