"""Transforming every stored call: nothing is lost, whatever the new keys collide with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.storage.places import DictCalls, call, call_storages


@pytest.fixture(params=["dict", "memory", "local"])
def storage(request, tmp_path):
    return call_storages(tmp_path)[request.param]


def names(storage) -> set[str]:
    return {storage.load(key).name for key in storage.list()}


def renamed(**new):
    def rename(old):
        return replace(old, name=new.get(old.name, old.name))

    return rename


def test_the_identity_keeps_every_call(storage):
    keys = {storage.save(call(name)) for name in "abc"}
    storage.transform()
    assert set(storage.list()) == keys


def test_a_renamed_call_moves_to_its_new_key(storage):
    old = storage.save(call("a", x=1))
    storage.save(call("b"))
    storage.transform(renamed(a="z"))
    assert names(storage) == {"z", "b"}
    assert not storage.contains(old)
    assert storage.contains(call("z", x=1).key)


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_a_call_that_moves_to_another_ones_place_does_not_destroy_it(order):
    storage = DictCalls()
    for name in order:
        storage.save(call(name))
    storage.transform(renamed(a="b", b="c", c="d"))
    assert names(storage) == {"b", "c", "d"}


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_calls_that_trade_places_both_survive(order):
    storage = DictCalls()
    for name in order:
        storage.save(call(name))
    storage.transform(renamed(a="b", b="a"))
    assert names(storage) == {"a", "b"}


def test_the_new_record_is_written_before_the_old_one_goes():
    steps = []

    class Noting(DictCalls):
        def put(self, value, key):
            steps.append(("put", value.name))
            return super().put(value, key)

        def _evict(self, key):
            steps.append(("evict", self.held[key].name))
            super()._evict(key)

    storage = Noting()
    storage.save(call("a"))
    steps.clear()
    storage.transform(renamed(a="b"))
    assert steps == [("put", "b"), ("evict", "a")]


def test_a_transform_that_fails_leaves_the_rest(storage):
    storage.save(call("a"))
    storage.save(call("b"))

    def fail(old):
        raise RuntimeError(old.name)

    with pytest.raises(RuntimeError):
        storage.transform(fail)
    assert names(storage) == {"a", "b"}
