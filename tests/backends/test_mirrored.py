"""Two places with the same bytes: what each answers when the other lacks a key or is away."""

from __future__ import annotations

from typing import Any

import pytest

from fleche_like.backends import MemoryBackend, MirroredBackend, StorageStat
from fleche_like.errors import BackendUnavailable, KeyNotFound


class Away(MemoryBackend):
    """A backend that can go away."""

    away = False

    def __getattribute__(self, name: str) -> Any:
        asked = {"put_bytes", "put_many", "get_bytes", "get_many", "read_range", "stat"}
        asked |= {"exists", "delete", "list_prefix"}
        if name in asked and object.__getattribute__(self, "away"):
            raise BackendUnavailable("away", key="", url="memory:")
        return super().__getattribute__(name)


@pytest.fixture
def both() -> MirroredBackend:
    return MirroredBackend(Away(), Away())


def away(backend: Any) -> None:
    backend.away = True


def test_a_write_reaches_both(both: MirroredBackend) -> None:
    both.put_bytes("a", b"1")
    both.put_parts("b", (b"2", b"3"))
    both.put_many([("c", b"4")])
    for backend in (both.primary, both.secondary):
        assert list(backend.list_prefix("")) == ["a", "b", "c"]


def test_what_the_primary_lacks_is_put_back_when_it_is_read(both: MirroredBackend) -> None:
    both.secondary.put_bytes("a", b"1")
    both.secondary.put_bytes("b", b"2")
    assert both.exists("a")
    assert both.stat("a") is not None
    assert both.get_bytes("a") == b"1"
    assert dict(both.get_many(["a", "b", "absent"])) == {"a": b"1", "b": b"2"}
    assert list(both.primary.list_prefix("")) == ["a", "b"]


def test_repair_can_be_turned_off() -> None:
    both = MirroredBackend(MemoryBackend(), MemoryBackend(), repair=False)
    both.secondary.put_bytes("a", b"1")
    assert both.get_bytes("a") == b"1"
    assert list(both.primary.list_prefix("")) == []


def test_while_the_primary_is_away_the_secondary_answers(both: MirroredBackend) -> None:
    both.put_bytes("a", b"123")
    away(both.primary)
    assert both.get_bytes("a") == b"123"
    assert both.read_range("a", 1, 1) == b"2"
    assert both.exists("a")
    found = both.stat("a")
    assert isinstance(found, StorageStat)
    assert found.size == 3
    assert dict(both.get_many(["a"])) == {"a": b"123"}


@pytest.mark.parametrize("which", ["primary", "secondary"])
def test_a_key_is_absent_only_if_both_say_so(both: MirroredBackend, which: str) -> None:
    assert not both.exists("a")
    with pytest.raises(KeyNotFound):
        both.get_bytes("a")
    away(getattr(both, which))
    with pytest.raises(BackendUnavailable):
        both.exists("a")
    with pytest.raises(BackendUnavailable):
        both.get_bytes("a")
    with pytest.raises(BackendUnavailable):
        both.read_range("a", 0)
    with pytest.raises(BackendUnavailable):
        list(both.get_many(["a"]))


@pytest.mark.parametrize("which", ["primary", "secondary"])
def test_half_a_listing_is_no_listing(both: MirroredBackend, which: str) -> None:
    both.put_bytes("a", b"1")
    away(getattr(both, which))
    with pytest.raises(BackendUnavailable):
        list(both.list_prefix(""))


def test_a_delete_that_fails_half_way_is_not_undone_by_a_read(both: MirroredBackend) -> None:
    both.put_bytes("a", b"1")
    away(both.secondary)
    with pytest.raises(BackendUnavailable):
        both.delete("a")
    assert both.primary.get_bytes("a") == b"1"


def test_a_failed_write_says_so_and_can_be_repeated(both: MirroredBackend) -> None:
    away(both.secondary)
    with pytest.raises(BackendUnavailable):
        both.put_bytes("a", b"1")
    both.secondary.away = False  # type: ignore[attr-defined]
    both.put_bytes("a", b"1")
    assert both.secondary.get_bytes("a") == b"1"


def test_a_reader_puts_back_nothing_that_was_removed_or_written_meanwhile() -> None:
    class Slow(MemoryBackend):
        meanwhile: Any = None

        def get_bytes(self, key: str) -> bytes:
            found = super().get_bytes(key)
            if self.meanwhile is not None:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            return found

    secondary = Slow()
    both = MirroredBackend(MemoryBackend(), secondary)
    secondary.put_bytes("removed", b"old")
    secondary.meanwhile = lambda: both.delete("removed")
    assert both.get_bytes("removed") == b"old"
    assert not both.exists("removed")
    secondary.put_bytes("written", b"old")
    secondary.meanwhile = lambda: both.put_bytes("written", b"new")
    assert both.get_bytes("written") == b"old"
    assert both.get_bytes("written") == secondary.get_bytes("written") == b"new"
