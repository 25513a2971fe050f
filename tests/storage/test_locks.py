"""Lock mixins and the operation context that they wrap."""

from __future__ import annotations

import contextlib
import copy
import multiprocessing
import pickle
import threading
from dataclasses import dataclass

import pytest

from fleche_like.hashing import Digest
from fleche_like.storage import (
    Intent,
    OperationContext,
    PerKeyLockMixin,
    SerializingMixin,
)
from tests.storage.places import DictValues, digests


class Traced(DictValues):
    """Notes every context that reaches the bottom of the MRO."""

    @property
    def trace(self) -> list[tuple[str, Intent]]:
        found: list[tuple[str, Intent]] = self.__dict__.setdefault("trace", [])
        return found

    def _operation_context(self, key, *, intent=Intent.WRITE):
        self.trace.append((key, intent))
        return super()._operation_context(key, intent=intent)


class Serialized(SerializingMixin, Traced):
    pass


class PerKey(PerKeyLockMixin, Traced):
    pass


class Both(SerializingMixin, PerKeyLockMixin, Traced):
    pass


@dataclass(frozen=True)
class Frozen(SerializingMixin, PerKeyLockMixin):
    name: str


CLASSES = [Serialized, PerKey, Both]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_operation_passes_every_mixin_once_with_its_full_key(kind):
    storage = kind()
    key = storage.save("value")
    operations = {
        "load": Intent.READ,
        "contains": Intent.READ,
        "expand": Intent.READ,
        "shrink": Intent.READ,
        "evict": Intent.WRITE,
    }
    for operation, intent in operations.items():
        storage.trace.clear()
        getattr(storage, operation)(key[:8])
        assert storage.trace == [(key, intent)]


def test_saving_is_a_write():
    storage = Both()
    key = storage.save("value")
    assert storage.trace == [(key, Intent.WRITE)]


def test_several_keys_are_entered_in_ascending_order():
    storage = Both()
    keys = digests("bbbb", "aaaa", "cccc")
    for key in keys:
        storage.save(0, key)
    storage.trace.clear()
    storage.shrink(*keys)
    assert [key for key, _ in storage.trace] == sorted(keys)


def test_the_base_context_does_nothing():
    with OperationContext()._operation_context("x") as entered:
        assert entered is None


@pytest.mark.parametrize("kind", CLASSES)
def test_operations_on_one_key_exclude_each_other(kind):
    """Without the lock, some thread sees a value between another one's read and write."""
    storage = kind()
    (key,) = digests("abcd")
    storage.put(0, key)

    def add() -> None:
        for _ in range(200):
            with storage._operation_context(key):
                seen = storage.get(key)
                threading.Event().wait(0)
                storage.put(seen + 1, key)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.get(key) == 1600


@pytest.mark.parametrize("kind", CLASSES)
def test_locks_are_re_entrant(kind):
    storage = kind()
    key = storage.save("value")
    with storage._operation_context(key):
        assert storage.load(key) == "value"
        storage.evict(key)


def test_keys_of_other_stripes_do_not_wait():
    storage = PerKey()
    low, high = digests("0000", "ffff")
    done = threading.Event()

    def save_high() -> None:
        storage.save(1, high)
        done.set()

    with storage._operation_context(low):
        thread = threading.Thread(target=save_high)
        thread.start()
        assert done.wait(10)
    thread.join()


def test_ascending_keys_have_ascending_stripes():
    locks = PerKey().__dict__["_key_locks"]
    order = [locks._locks.index(locks.of(f"{number:04x}")) for number in range(0, 1 << 16, 97)]
    assert order == sorted(order)
    assert len(set(order)) == PerKeyLockMixin.lock_stripes


def test_many_keys_in_any_order_never_deadlock():
    storage = PerKey()
    keys = digests("0123", "4567", "89ab", "cdef", "fedc")
    for key in keys:
        storage.save(0, key)

    def shrink(order) -> None:
        for _ in range(200):
            storage.shrink(*order)

    threads = [
        threading.Thread(target=shrink, args=(order,), daemon=True)
        for order in (keys, keys[::-1], keys[2:] + keys[:2])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_instances_have_locks_of_their_own():
    assert Both().__dict__["_key_locks"] is not Both().__dict__["_key_locks"]


def test_mixins_attach_to_frozen_dataclasses_and_leave_equality_alone():
    assert Frozen("a") == Frozen("a")
    assert hash(Frozen("a")) == hash(Frozen("a"))
    with Frozen("a")._operation_context("abcd"):
        pass


@pytest.mark.parametrize("make", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_pickled_storage_has_free_locks(make):
    storage = Both()
    key = storage.save("value")
    with storage._operation_context(key):
        made = make(storage)
    twin = pickle.loads(made) if isinstance(made, bytes) else made
    assert twin.__dict__["_key_locks"] is not storage.__dict__["_key_locks"]
    found = []
    thread = threading.Thread(target=lambda: found.append(twin.load(key)), daemon=True)
    thread.start()
    thread.join(10)
    assert found == ["value"]


def _load_in_child(storage, key, answer) -> None:
    answer.put(storage.load(key))


def test_a_fork_does_not_inherit_locks_that_other_threads_hold():
    context = multiprocessing.get_context("fork")
    storage = Both()
    key = storage.save("value")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with storage._operation_context(key):
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        answer = context.SimpleQueue()
        child = context.Process(target=_load_in_child, args=(storage, key, answer))
        child.start()
        child.join(10)
        alive = child.is_alive()
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        assert not alive
        assert answer.get() == "value"
    finally:
        release.set()
        thread.join()


def test_whatever_is_no_digest_still_has_a_lock():
    with PerKey()._operation_context(Digest("not hex")):
        pass
