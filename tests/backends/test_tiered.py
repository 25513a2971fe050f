"""Small here, large there: what the two tiers hold, and in which order they are written."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fleche_like.backends import (
    DatabaseBackend,
    LocalBackend,
    MemoryBackend,
    SupportsTransaction,
    TieredBackend,
)

SMALL, LARGE = b"x" * 10, b"y" * 11


@pytest.fixture
def tiers() -> TieredBackend:
    return TieredBackend(MemoryBackend(), MemoryBackend(), threshold_bytes=10)


def test_the_size_of_all_parts_decides(tiers: TieredBackend) -> None:
    tiers.put_bytes("s", SMALL)
    tiers.put_parts("p", (SMALL[:5], SMALL[5:]))
    tiers.put_parts("q", (SMALL, b"z"))
    assert list(tiers.small.list_prefix("")) == ["p", "s"]
    assert list(tiers.large.list_prefix("")) == ["q"]


def test_a_reader_finds_one_or_the_other_at_every_step() -> None:
    """The large payload is there before its small twin goes."""
    seen = []

    class Watched(MemoryBackend):
        def delete(self, key: str) -> None:
            seen.append((both.get_bytes("k"), both.large.get_bytes("k")))
            super().delete(key)

    both = TieredBackend(Watched(), MemoryBackend(), threshold_bytes=10)
    both.put_bytes("k", SMALL)
    both.put_bytes("k", LARGE)
    assert seen == [(SMALL, LARGE)]
    assert both.get_bytes("k") == LARGE


def test_a_small_payload_hides_a_large_one_and_goes_with_it(tiers: TieredBackend) -> None:
    tiers.put_bytes("k", LARGE)
    tiers.put_bytes("k", SMALL)
    assert tiers.get_bytes("k") == SMALL
    assert list(tiers.list_prefix("")) == ["k"]
    assert dict(tiers.get_many(["k"])) == {"k": SMALL}
    assert tiers.stat("k")[0] == 10  # type: ignore[index]
    tiers.delete("k")
    assert not tiers.exists("k")


def test_a_delete_interrupted_half_way_brings_nothing_old_back() -> None:
    class Broken(MemoryBackend):
        def delete(self, key: str) -> None:
            raise InterruptedError

    broken = TieredBackend(MemoryBackend(), Broken(), threshold_bytes=10)
    broken.large.put_bytes("k", LARGE)
    broken.small.put_bytes("k", SMALL)
    with pytest.raises(InterruptedError):
        broken.delete("k")
    assert broken.get_bytes("k") == SMALL


def test_an_undone_transaction_loses_neither_tiers_old_bytes(tmp_path: Path) -> None:
    def undone(payload: bytes) -> None:
        with both.transaction():
            both.put_bytes("k", payload)
            assert both.get_bytes("k") == payload
            raise InterruptedError

    small = DatabaseBackend(f"sqlite:///{tmp_path}/blobs.db")
    both = TieredBackend(small, LocalBackend(tmp_path / "large"), threshold_bytes=10)
    for old, new in ((LARGE, SMALL), (SMALL, LARGE)):
        both.put_bytes("k", old)
        with pytest.raises(InterruptedError):
            undone(new)
        assert both.get_bytes("k") == old
    both.close()


def test_transactions_are_claimed_only_where_the_small_tier_has_them(tmp_path: Path) -> None:
    small = DatabaseBackend(f"sqlite:///{tmp_path}/blobs.db")
    able = TieredBackend(small, MemoryBackend())
    assert isinstance(able, SupportsTransaction)
    assert isinstance(pickle.loads(pickle.dumps(able)), SupportsTransaction)
    assert not isinstance(TieredBackend(MemoryBackend(), small), SupportsTransaction)
    small.close()


def test_closing_reaches_both_tiers_whatever_one_says() -> None:
    closed = []

    class Closing(MemoryBackend):
        def close(self) -> None:
            closed.append(self)
            raise InterruptedError

    tiers = TieredBackend(Closing(), Closing())
    with pytest.raises(InterruptedError):
        tiers.close()
    assert len(closed) == 2
