"""Lock mixins in any order, and operations on many keys beside those on one: no deadlock."""

from __future__ import annotations

import itertools
import threading

import pytest

from fleche_like.backends import LocalBackend
from fleche_like.storage import (
    BackendValueStorage,
    Intent,
    InterProcessLockMixin,
    PerKeyLockMixin,
    ReadWriteLockMixin,
    SerializingMixin,
)
from tests.storage.places import digests

MIXINS = (SerializingMixin, PerKeyLockMixin, ReadWriteLockMixin, InterProcessLockMixin)


class Traced(BackendValueStorage):
    """Notes every context that reaches the bottom of the MRO."""

    trace: list[tuple[str, Intent]]

    def _operation_context(self, key, *, intent=Intent.WRITE):
        self.__dict__.setdefault("trace", []).append((key, intent))
        return super()._operation_context(key, intent=intent)


ORDERS = [
    pytest.param(order, id=" ".join(mixin.__name__.removesuffix("Mixin") for mixin in order))
    for count in (1, 2, 4)
    for order in itertools.permutations(MIXINS, count)
]


def made(order, folder):
    return type("Locked", (*order, Traced), {})(LocalBackend(folder))


@pytest.mark.parametrize("order", ORDERS)
def test_each_operation_reaches_the_bottom_once_for_each_key(order, tmp_path):
    storage = made(order, tmp_path)
    keys = digests("bbbb", "aaaa", "cccc")
    for key in keys:
        storage.save(0, key)
    operations = {
        "load": Intent.READ,
        "contains": Intent.READ,
        "expand": Intent.READ,
        "shrink": Intent.READ,
        "evict": Intent.WRITE,
    }
    for operation, intent in operations.items():
        storage.trace.clear()
        getattr(storage, operation)(keys[0])
        assert storage.trace == [(keys[0], intent)]
    storage.save(0, keys[0])
    storage.trace.clear()
    storage.shrink(*keys)
    assert storage.trace == [(key, Intent.READ) for key in sorted(keys)]
    storage.close()


class Meeting:
    """Lets two threads go on only when both have come this far, or one can come no further."""

    def __init__(self) -> None:
        self.first, self.second = threading.Event(), threading.Event()


@pytest.mark.parametrize("order", list(itertools.permutations(MIXINS, 2)), ids=str)
def test_many_keys_and_one_key_never_wait_for_each_other_in_a_circle(order, tmp_path):
    """One thread enters two keys that share the coarser lock; another enters the second alone.

    Were the locks of the keys taken key by key, the first thread would hold the coarser lock and
    wait for the finer one, and the second the other way round.
    """
    storage = made(order, tmp_path)
    keys = digests("0000", "0400", "0800", "8000")
    done = []

    def many() -> None:
        for _ in range(150):
            with storage._operation_contexts(keys):
                pass
        done.append("many")

    def one(key) -> None:
        for _ in range(150):
            with storage._operation_context(key):
                pass
        done.append(key)

    threads = [threading.Thread(target=many, daemon=True) for _ in range(2)]
    threads += [threading.Thread(target=one, args=(key,), daemon=True) for key in keys[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert len(done) == len(threads)
    storage.close()


def test_the_finer_lock_outside_takes_all_its_stripes_before_the_coarser_one(tmp_path):
    """The interleaving that deadlocks if locks are taken key by key, forced."""

    class Fine(PerKeyLockMixin, SerializingMixin, Traced):
        pass

    storage = Fine(LocalBackend(tmp_path))
    first, second = digests("0000", "0400")
    holds_second, may_go_on = threading.Event(), threading.Event()
    fine = storage.__dict__["_key_locks"]

    def one() -> None:
        with fine.of(second):  # as an operation on the second key does, to begin with
            holds_second.set()
            may_go_on.wait(30)
            with storage._operation_context(second):
                pass

    def many() -> None:
        with storage._operation_contexts([first, second]):
            pass

    single = threading.Thread(target=one, daemon=True)
    single.start()
    assert holds_second.wait(30)
    several = threading.Thread(target=many, daemon=True)
    several.start()
    # It waits for the second stripe now or soon; whenever that is, it must not hold the coarse one.
    several.join(0.2)
    may_go_on.set()
    for thread in (single, several):
        thread.join(30)
        assert not thread.is_alive()
    storage.close()
