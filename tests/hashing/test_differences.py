"""Values that once shared a digest with others, or had two: each with what made it so."""

from __future__ import annotations

import contextlib
import enum
import os
import pathlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special

from fleche_like.errors import Indigestible
from fleche_like.hashing import digest

ROOT = Path(__file__).resolve().parents[2]


def test_ufuncs_of_one_name_in_two_libraries_differ() -> None:
    assert digest(np.exp2) == digest(pickle.loads(pickle.dumps(np.exp2))) != digest(special.exp2)
    assert digest(special.gamma) != digest(special.erf)


def test_ufuncs_made_from_functions_are_refused_because_they_have_no_name() -> None:
    with pytest.raises(Indigestible, match="pass the function"):
        digest([np.frompyfunc(abs, 1, 1)])


def test_what_a_generator_would_spawn_counts() -> None:
    used, fresh = np.random.default_rng(5), np.random.default_rng(5)
    assert digest(used) == digest(fresh)
    used.spawn(1)
    assert digest(used) != digest(fresh)
    fresh.spawn(1)
    assert digest(used) == digest(fresh) == digest(pickle.loads(pickle.dumps(used)))


def test_seed_sequences_are_their_entropy_and_what_was_spawned() -> None:
    made = [
        np.random.SeedSequence(5), np.random.SeedSequence(6), np.random.SeedSequence([5, 6]),
        np.random.SeedSequence(5).spawn(1)[0], np.random.SeedSequence(5, pool_size=8),
    ]  # fmt: skip
    assert len(set(map(digest, made))) == len(made)
    assert digest(made[0]) == digest(np.random.SeedSequence(5))


class Masked(np.ma.MaskedArray):
    pass


class Frame(pd.DataFrame):  # type: ignore[misc]
    _metadata = ("unit",)


class Graph(nx.Graph):  # type: ignore[misc]
    pass


def noted(value: Any, note: Any) -> Any:
    value.unit = note
    return value


MAKERS: list[Any] = [
    lambda: np.ma.masked_array([1, 2], [False, True]).view(Masked),
    lambda: Frame({"a": [1]}),
    lambda: Graph([(1, 2)]),
]


@pytest.mark.parametrize("make", MAKERS)
def test_attributes_of_subclasses_of_library_types_count(make: Any) -> None:
    digests = [digest(noted(make(), note)) for note in ("m", "s")]
    assert digests[0] == digest(noted(make(), "m")) != digests[1]


def test_looking_at_a_graph_leaves_its_digest() -> None:
    graph = noted(Graph([(1, 2)]), "m")
    before = digest(graph)
    assert [graph.nodes, graph.edges, graph.adj, graph.degree]
    assert digest(graph) == before


@pytest.mark.skipif(not hasattr(xr, "DataTree"), reason="this xarray has no trees")
def test_trees_of_data_sets_are_told_by_all_they_hold() -> None:
    def tree(name: str, value: int) -> Any:
        return xr.DataTree.from_dict({"/": xr.Dataset(), f"/{name}": xr.Dataset({"v": value})})

    assert digest(tree("a", 1)) == digest(tree("a", 1))
    assert len({digest(t) for t in (tree("a", 1), tree("b", 1), tree("a", 2))}) == 3


def test_the_masked_constant_has_a_digest() -> None:
    assert digest(np.ma.masked) != digest(np.ma.masked_array(0.0, True))


def test_storages_of_tensors_are_their_bytes() -> None:
    torch = pytest.importorskip("torch")
    one, same, other = torch.arange(3), torch.arange(3), torch.zeros(3, dtype=torch.int64)
    assert digest(one.untyped_storage()) == digest(same.untyped_storage())
    assert digest(one.untyped_storage()) != digest(other.untyped_storage())
    assert digest(torch.nn.Parameter(one * 1.0)) == digest(torch.nn.Parameter(same * 1.0))


class Sentinel(enum.Enum):
    MISSING = object()
    LATER = object()  # noqa: PIE796 - two objects are meant


def test_members_that_are_plain_objects_are_told_by_their_names() -> None:
    assert digest(Sentinel.MISSING) != digest(Sentinel.LATER)


class Place(pathlib.PurePosixPath):
    pass


def test_what_a_path_remembers_of_itself_does_not_count() -> None:
    """Its hash is one thing that it remembers, which differs from process to process."""
    used = Place("a/b")
    before = digest(used)
    assert [hash(used), str(used), used.parts, used.name]
    assert digest(used) == before != digest(Place("a"))


def test_looking_at_the_attributes_of_an_error_leaves_its_digest() -> None:
    """Until then it has no dict, from then on an empty one."""
    used = ValueError(1)
    before = digest(used)
    assert vars(used) == {}
    assert digest(used) == before
    used.note = 1  # type: ignore[attr-defined]
    assert digest(used) != before


class Shouting(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__module__", "__qualname__"):
            raise RuntimeError(name)
        return super().__getattribute__(name)


def test_metaclasses_that_raise_give_a_digest_or_an_indigestible_value() -> None:
    cls = Shouting("Loud", (), {})
    for value in (cls, cls(), {"k": cls()}, [cls]):
        with contextlib.suppress(Indigestible):
            assert len(digest(value)) == 32


def test_functions_and_types_of_cython_have_a_digest() -> None:
    neighbours = pytest.importorskip("sklearn.neighbors")
    fitted = neighbours.KNeighborsClassifier(1).fit([[0.0], [1.0]], [0, 1])
    other = neighbours.KNeighborsClassifier(1).fit([[0.0], [2.0]], [0, 1])
    assert digest(fitted) == digest(pickle.loads(pickle.dumps(fitted))) != digest(other)


CHILD = """
import pathlib, numpy as np
from fleche_like.hashing import digest
class Place(pathlib.PurePosixPath): pass
place = Place('a/b'); hash(place)
print(digest([place, ValueError(1), np.random.default_rng(5), np.exp2]))
"""


def test_other_processes_agree_about_all_of_this() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", CHILD],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
