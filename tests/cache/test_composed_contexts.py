"""Contexts and locks of composed caches: what is entered, and who never waits for whom."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

import fleche_like as fl
from fleche_like.cache import Cache, FilteredCache, ReadOnlyCache, RefreshingCache
from fleche_like.storage import (
    Intent,
    InterProcessLockMixin,
    OperationContext,
    PerKeyLockMixin,
    ReadWriteLockMixin,
    SerializingMixin,
)
from fleche_like.testing.caches import call_of

PATIENCE_S = 60
KEY = call_of(1).key


class Tracing(OperationContext):
    """A mixin at the bottom of the MRO, but for what it traces."""

    seen: list[tuple[str, str, Intent]]

    def _operation_context(self, key, *, intent=Intent.WRITE):
        self.__dict__.setdefault("trace", []).append((key, intent))
        return super()._operation_context(key, intent=intent)


class TracedCache(Cache, Tracing):
    """Tracing comes last, after the cache itself."""


class LockedTracedCache(SerializingMixin, ReadWriteLockMixin, PerKeyLockMixin, TracedCache):
    pass


def traced(folder, kind=LockedTracedCache):
    plain = fl.open_cache(folder)
    made = kind(plain.values, plain.calls, folder=plain.folder, url=plain.url)
    made.__dict__["trace"] = []
    return made


COMPOSITIONS = {
    "cache": lambda leaf, other: leaf,
    "stack": lambda leaf, other: fl.CacheStack(leaf, other),
    "bottom": lambda leaf, other: fl.CacheStack(other, leaf),
    "pool": lambda leaf, other: fl.CachePool(leaf, other),
    "read-only": lambda leaf, other: ReadOnlyCache(leaf),
    "filtered": lambda leaf, other: FilteredCache(leaf, fl.QueryCall()),
    "refreshing": lambda leaf, other: RefreshingCache(leaf, once=True),
    "nested": lambda leaf, other: fl.CacheStack(fl.CacheStack(leaf, other), other),
}


@pytest.mark.parametrize("make", COMPOSITIONS.values(), ids=COMPOSITIONS)
def test_every_operation_reaches_the_cache_below_with_its_full_key(make, tmp_path):
    leaf, other = traced(tmp_path / "leaf"), traced(tmp_path / "other")
    leaf.save(call_of(1, [1]))
    cache = make(leaf, other)
    operations = {
        "lookup": Intent.READ,
        "contains": Intent.READ,
        "load": Intent.READ,
        "evict": Intent.WRITE,
    }
    for operation, intent in operations.items():
        if cache.read_only and intent is Intent.WRITE:
            continue
        leaf.__dict__["trace"].clear()
        getattr(cache, operation)(KEY)
        trace = leaf.__dict__["trace"]
        assert {key for key, _ in trace} <= {KEY}
        if not (operation == "lookup" and isinstance(cache, RefreshingCache)):
            assert (KEY, intent) in trace
        with cache._operation_context(KEY, intent=intent):
            assert trace[-1] == (KEY, intent)
    leaf.__dict__["trace"].clear()
    keys = [call_of(n).key for n in range(3)]
    with cache._operation_contexts(keys, intent=Intent.READ):
        assert leaf.__dict__["trace"] == [(key, Intent.READ) for key in sorted(keys)]


@pytest.mark.parametrize("kind", [PerKeyLockMixin, InterProcessLockMixin])
def test_a_check_and_a_write_through_a_stack_are_one(kind, tmp_path):
    """Threads add to a stored count through stacks of their own over the same caches."""
    locked = type("Locked", (kind, Cache), {})
    near, far = (traced(tmp_path / name, locked) for name in ("near", "far"))
    stacks = [fl.CacheStack(near, far), fl.CacheStack(near, fl.CacheStack(far))]
    stacks[0].save(call_of(1, 0))

    def add(stack) -> None:
        for _ in range(25):
            with stack._operation_context(KEY):
                found = stack.lookup(KEY)
                threading.Event().wait(0)
                stack.save(call_of(1, found + 1))

    threads = [threading.Thread(target=add, args=(stack,)) for stack in stacks * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert far.lookup(KEY) == stacks[1].lookup(KEY) == 100


class LockedStack(PerKeyLockMixin, fl.CacheStack):
    pass


def test_compositions_in_any_order_never_wait_for_each_other_in_a_circle(tmp_path):
    caches = [traced(tmp_path / name) for name in "abc"]
    one, two, three = caches
    inner = LockedStack(three, one)
    stacks = [
        fl.CacheStack(one, two, three),
        fl.CacheStack(three, two, one),
        fl.CacheStack(two, inner),
        LockedStack(inner, two),
        fl.CachePool(fl.CachePool(two), three, one),
        inner,
    ]
    keys = [call_of(n).key for n in range(6)]

    def work(stack, seed) -> None:
        rng = random.Random(seed)
        for _ in range(60):
            key = rng.choice(keys)
            with stack._operation_context(key, intent=rng.choice(list(Intent))):
                pass
            with stack._operation_contexts(rng.sample(keys, 3), intent=rng.choice(list(Intent))):
                pass

    threads = [
        threading.Thread(target=work, args=(stack, number), daemon=True)
        for number, stack in enumerate(stacks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)


def test_two_stacks_the_other_way_round_meet_and_part(tmp_path):
    """The interleaving that deadlocks if contexts are entered in the order of each stack."""
    one, two = traced(tmp_path / "a"), traced(tmp_path / "b")
    first, second = min(one, two, key=lambda c: c.url), max(one, two, key=lambda c: c.url)
    stack = fl.CacheStack(second, first)
    inside, go_on = threading.Event(), threading.Event()
    ended = []

    def by_hand() -> None:
        with first._operation_context(KEY):
            inside.set()
            go_on.wait(PATIENCE_S)
            with second._operation_context(KEY):
                ended.append("by hand")

    def stacked() -> None:
        with stack._operation_context(KEY):
            ended.append("stacked")

    thread = threading.Thread(target=by_hand, daemon=True)
    thread.start()
    assert inside.wait(PATIENCE_S)
    other = threading.Thread(target=stacked, daemon=True)
    other.start()
    other.join(0.2)  # it waits for the first cache, and must not hold the second one meanwhile
    go_on.set()
    for each in (thread, other):
        each.join(PATIENCE_S)
    assert ended == ["by hand", "stacked"]


def test_saving_in_a_cache_and_in_its_locked_storages_at_once_ends(tmp_path):
    """A cache takes the locks of its storages before that of the database, as they do."""
    from fleche_like.index import SqlCallStorage
    from fleche_like.storage import BackendValueStorage

    class Calls(SerializingMixin, SqlCallStorage):
        pass

    class Values(SerializingMixin, BackendValueStorage):
        pass

    plain: Any = fl.open_cache(tmp_path / "cache")
    calls, values = Calls(plain.calls.database), Values(plain.values.backend)
    cache = Cache(values, calls)
    done = []

    def through_the_cache() -> None:
        for number in range(40):
            cache.save(call_of(number, [number]))
        done.append(1)

    def directly() -> None:
        for number in range(40):
            calls.save(call_of(-number, 0).digested())
            values.save([number])
            calls.evict(call_of(-number).key)
        done.append(2)

    threads = [
        threading.Thread(target=work, daemon=True) for work in (through_the_cache, directly) * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)  # a database gives up waiting after 60 s
    assert sorted(done) == [1, 1, 2, 2]
    plain.close()
