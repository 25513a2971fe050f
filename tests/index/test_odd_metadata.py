"""Metadata is found under whatever name it has, and a branch under that of the branch."""

from __future__ import annotations

import pytest

from fleche_like.calls import Call, LazyCall, QueryCall, Selection, flatten, meta
from tests.index.drawn import Values

LONG = ["n" * 198, "n" * 199, "n" * 200]
BRANCHES = ["a", "a ", "", " ", "\\", "a\\", "a.b", "a\0", "é", ".", *LONG]


def test_an_empty_name_is_a_name():
    assert flatten({"": {"x": 1, "": 2}, "x": 3, "y": {"": [4]}}) == {
        ".x": 1, ".": 2, "x": 3, "y..0": 4,
    }  # fmt: skip


@pytest.mark.parametrize("derived", [True, False])
def test_a_branch_is_found_by_its_name_alone(storages, derived):
    """A name that ends in a blank is spelled by digest in the index, what is inside it is not."""
    storage = storages[0]
    with storage.transaction():
        for key in list(storage.list()):
            storage.evict(key)
    calls = {
        name: Call("f", {"n": n}, result=n, metadata={name: {"x": n}}).digested()
        for n, name in enumerate(BRANCHES)
    }
    for call in calls.values():
        storage.save(call)
    if derived and storage._late is not None:
        storage._late.derive()
    for n, (name, call) in enumerate(calls.items()):
        (leaf,) = flatten(call.metadata)
        branch = QueryCall(metadata={leaf.removesuffix(".x"): None})
        assert branch.matches(LazyCall(call, Values())), name
        for selection in (Selection(branch), Selection(conditions=(meta(leaf) == n,))):
            found = [one.key for one in storage.select(selection, Values())]
            assert found == [call.key], (name, selection)
