"""Bringing two storages of a manager in line."""

from __future__ import annotations

import numpy as np
import pytest

from fleche_like.backends import MemoryBackend
from fleche_like.hashing import digest
from fleche_like.storage import replicate
from fleche_like.storage.manager import StorageError, StorageManager

BIG = np.arange(500_000.0)


def test_interrupted_it_goes_on_where_it_was(two, monkeypatch):
    for number in range(10):
        two.primary.save_result(str(number), [number])
    original = type(two.secondary.names).replace
    done: list[str] = []

    def interrupting(self, old, new):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(new.name)
        return original(self, old, new)

    monkeypatch.setattr(type(two.secondary.names), "replace", interrupting)
    with pytest.raises(KeyboardInterrupt):
        two.sync_backends()
    monkeypatch.undo()
    counts = two.sync_backends()
    assert (counts["copied"], counts["skipped"], counts["primary_to_secondary"]) == (6, 4, 6)
    assert two.list_results(from_backend="secondary") == two.list_results()


def test_a_deletion_does_not_come_back(two):
    two.save_result("name", 1)
    two.delete_result("name", from_all=False)
    counts = two.sync_backends("bidirectional")
    assert counts["deleted"] == 1
    assert not two.exists_result("name", check_all=True)


def test_what_was_saved_after_a_deletion_stays(two):
    two.save_result("name", 1)
    two.delete_result("name", from_all=False)
    two.secondary.save_result("name", 2)
    two.sync_backends("bidirectional")
    assert two.load_result("name") == 2


def test_a_clock_that_was_set_back_does_not_undo_a_save(two, monkeypatch):
    monkeypatch.setattr("fleche_like.storage.names._now", lambda: 10**18)
    two.save_result("name", "old")
    monkeypatch.setattr("fleche_like.storage.names._now", lambda: 5)
    two.save_result("name", "new", replicate=False)
    two.sync_backends("bidirectional")
    assert two.secondary.load_result("name") == "new"
    two.delete_result("name", from_all=False)
    two.sync_backends("bidirectional")
    assert two.list_results(from_backend="secondary") == []


@pytest.mark.parametrize("direction", ["primary_to_secondary", "bidirectional"])
def test_what_is_saved_while_it_runs_stays(two, monkeypatch, direction):
    two.primary.save_result("name", "copied")
    original = replicate.copy_value

    def overtaken(*arguments):
        two.secondary.save_result("name", "newest")
        return original(*arguments)

    monkeypatch.setattr("fleche_like.storage.syncing.copy_value", overtaken)
    counts = two.sync_backends(direction)
    assert (counts["copied"], counts["skipped"]) == (0, 1)
    assert two.secondary.load_result("name") == "newest"


def test_what_is_saved_while_a_result_is_put_back_stays(two, monkeypatch):
    two.secondary.save_result("name", "old")
    original = replicate.copy_value

    def overtaken(*arguments):
        two.primary.save_result("name", "new")
        return original(*arguments)

    monkeypatch.setattr("fleche_like.storage.syncing.copy_value", overtaken)
    assert two.load_result("name") == "old"
    assert two.load_result("name") == "new"


def test_damaged_results_are_counted_and_left_alone(two):
    two.primary.save_result("good", "good")
    two.primary.save_result("bad", "bad")
    two.secondary.save_result("bad", "older")
    two.primary.save_result("bad", "bad")
    two.primary.values.evict(digest("bad"))
    counts = two.sync_backends()
    assert (counts["copied"], counts["errors"]) == (1, 1)
    assert two.secondary.load_result("bad") == "older"


def test_parts_travel_with_their_value(two):
    two.primary.save_result("name", [BIG, {"inner": BIG}])
    two.sync_backends()
    np.testing.assert_equal(two.secondary.load_result("name")[1]["inner"], BIG)


def test_tombstones_can_be_forgotten(two):
    two.save_result("name", 1)
    two.delete_result("name", from_all=False)
    assert two.primary.forget_deletions(older_than_s=3600) == 0
    assert two.primary.forget_deletions() == 1
    two.sync_backends("bidirectional")
    assert two.load_result("name") == 1


def test_it_takes_two_and_a_direction(two):
    with pytest.raises(StorageError):
        two.sync_backends("sideways")
    with pytest.raises(StorageError):
        StorageManager(MemoryBackend()).sync_backends()
    for place in ("secondary", "elsewhere"):
        with pytest.raises(ValueError, match=r"secondary|place"):
            StorageManager(MemoryBackend()).list_results(from_backend=place)
