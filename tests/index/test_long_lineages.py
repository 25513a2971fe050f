"""Lineages are whole, however long a chain is, and end, however often it comes back to itself."""

from __future__ import annotations

import pytest

from fleche_like.calls import Call, LineageQuery
from fleche_like.hashing import digest

LENGTH = 1200
"""More rounds than MariaDB and MySQL allow a recursion unless they are told to."""


def link(number):
    return ["link", number]


@pytest.fixture(scope="module")
def chain(storages):
    storage = storages[0]
    made = [Call("f", {"x": link(n)}, result=link(n + 1)).digested() for n in range(LENGTH)]
    with storage.transaction():
        for call in made:
            storage.save(call)
    if storage._late is not None:
        storage._late.derive()
    return storage


@pytest.mark.parametrize("depth", [None, 100])
def test_a_long_chain_is_followed_to_its_ends(chain, depth):
    expected = LENGTH if depth is None else min(depth, LENGTH)
    last = chain.related(LineageQuery(value=digest(link(LENGTH)), depth=depth))
    first = chain.related(LineageQuery(value=digest(link(0)), depth=depth))
    assert (len(last.up), len(last.down), last.cut) == (expected, 0, False)
    assert (len(first.up), len(first.down), first.cut) == (0, expected, False)


@pytest.mark.parametrize("depth", [1, 2, 33, 10**12])
def test_a_circle_ends_whatever_the_depth(storages, depth):
    storage = storages[0]
    for name, used, made in (("there", 1, 2), ("back", 2, 1), ("stays", 1, 1)):
        call = Call(name, {"x": ["circle", used]}, result=["circle", made])
        storage.save(call.digested())
    if storage._late is not None:
        storage._late.derive()
    found = storage.related(LineageQuery(value=digest(["circle", 1]), depth=depth))
    expected = {"back", "stays"} if depth == 1 else {"back", "stays", "there"}
    assert {call.name for call in found.up} == expected
    assert len(found.down) == len(expected)
