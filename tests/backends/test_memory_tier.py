"""A bounded memory in front: what is kept, how much of it, and that it is never out of date."""

from __future__ import annotations

import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleche_like.backends import MemoryBackend, MemoryTierBackend
from fleche_like.errors import BackendUnavailable


@pytest.fixture
def tier() -> MemoryTierBackend:
    return MemoryTierBackend(MemoryBackend(), max_bytes=100, max_item_bytes=40)


def test_what_was_read_or_written_is_not_asked_for_again(tier: MemoryTierBackend) -> None:
    tier.put_bytes("a", b"1")
    tier.backend.put_bytes("b", b"2")
    assert tier.get_bytes("b") == b"2"
    tier.backend.delete_prefix("")
    assert (tier.get_bytes("a"), tier.get_bytes("b")) == (b"1", b"2")
    assert dict(tier.get_many(["a", "./b"])) == {"a": b"1", "./b": b"2"}
    assert tier.read_range("a", 0, 1) == b"1"


def test_the_least_recently_used_goes_first(tier: MemoryTierBackend) -> None:
    for key in "abc":
        tier.put_bytes(key, b"x" * 33)
    assert tier.kept_bytes == 99
    tier.get_bytes("a")
    tier.put_bytes("d", b"x" * 33)
    tier.backend.delete_prefix("")
    assert [key for key in "abcd" if tier.exists(key)] == ["a", "c", "d"]


def test_large_payloads_are_not_kept(tier: MemoryTierBackend) -> None:
    tier.put_bytes("a", b"x" * 41)
    tier.put_parts("b", (b"x" * 30, b"x" * 30))
    assert tier.get_bytes("a") == b"x" * 41
    assert tier.kept_bytes == 0


def test_what_was_replaced_or_removed_is_not_kept(tier: MemoryTierBackend) -> None:
    for change in (
        lambda: tier.delete("a/b"),
        lambda: tier.delete_prefix("a"),
        lambda: tier.put_many([("a/b", b"2")]),
        lambda: tier.put_parts("a/b", (b"x" * 41,)),
    ):
        tier.put_bytes("a/b", b"1")
        assert tier.kept_bytes == 1
        change()
        assert tier.kept_bytes == 0


def test_a_write_that_fails_is_not_kept() -> None:
    class Broken(MemoryBackend):
        def put_bytes(self, key: str, data: object) -> None:
            raise BackendUnavailable("away", key=key, url="memory:")

    tier = MemoryTierBackend(Broken())
    with pytest.raises(BackendUnavailable):
        tier.put_bytes("a", b"1")
    assert not tier.exists("a")


def test_a_read_that_was_overtaken_by_a_change_is_not_kept() -> None:
    class Slow(MemoryBackend):
        def get_bytes(self, key: str) -> bytes:
            data = super().get_bytes(key)
            if threading.current_thread() is reader:
                tier.delete(key)
            return data

    tier = MemoryTierBackend(Slow())
    tier.backend.put_bytes("a", b"old")
    reader = threading.Thread(target=lambda: tier.get_bytes("a"))
    reader.start()
    reader.join()
    assert not tier.exists("a")


def test_when_all_is_still_it_gives_what_the_backend_has() -> None:
    tier = MemoryTierBackend(MemoryBackend())

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for turn in range(300):
            key = chance.choice("ab")
            if chance.random() < 0.6:
                tier.put_bytes(key, f"{seed}.{turn}".encode())
            elif chance.random() < 0.2:
                tier.delete(key)
            elif tier.exists(key):
                dict(tier.get_many([key]))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    for key in "ab":
        assert tier.exists(key) == tier.backend.exists(key)
        assert dict(tier.get_many([key])) == dict(tier.backend.get_many([key]))  # type: ignore[attr-defined]


def test_a_copy_begins_with_nothing_kept(tier: MemoryTierBackend) -> None:
    tier.put_bytes("a", b"1")
    copy = pickle.loads(pickle.dumps(tier))
    assert (copy.kept_bytes, copy.max_bytes, copy.max_item_bytes) == (0, 100, 40)
