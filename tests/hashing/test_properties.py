"""What holds of every value of every known type."""

from __future__ import annotations

import copy
import importlib.util
import itertools
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche_like.hashing import digest, encode, is_node
from fleche_like.testing import strategies
from tests.hashing.changes import changed
from tests.hashing.decoder import decode

ROOT = Path(__file__).resolve().parents[2]
relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("library", [*strategies._LIBRARIES])
@settings(relaxed, max_examples=60)
@given(data=st.data())
def test_values_of_libraries_agree_with_their_copies_and_pickles(library: str, data: Any) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    value = data.draw(strategies.libraries()[library]())
    before = digest(value)
    decode(encode(value))
    assert digest(copy.deepcopy(value)) == before
    assert digest(pickle.loads(pickle.dumps(value, 5))) == before
    assert digest({"k": [value]}) == digest({"k": [copy.deepcopy(value)]})
    assert not is_node(value) or digest([value]) == digest([before])


@settings(relaxed, max_examples=100)
@given(strategies.all_values())
def test_trees_of_anything_agree_with_their_copies_and_pickles(value: Any) -> None:
    before = digest(value)
    decode(encode(value))
    assert digest(copy.deepcopy(value)) == before
    assert digest(pickle.loads(pickle.dumps(value, 5))) == before


@settings(relaxed, max_examples=60)
@given(strategies.unpicklable_values())
def test_what_cannot_be_pickled_has_a_digest_all_the_same(value: Any) -> None:
    decode(encode(value))
    assert digest(value) == digest(value) != digest([value])


@settings(relaxed, max_examples=150)
@given(strategies.all_values(max_leaves=6))
def test_any_single_change_changes_the_digest(value: Any) -> None:
    before = digest(value)
    for other in itertools.islice(changed(value), 400):
        assert digest(other) != before, other


@settings(relaxed, max_examples=60)
@given(strategies.all_values(max_leaves=4), strategies.all_values(max_leaves=4))
def test_one_digest_means_one_encoding(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (encode(one) == encode(other))


READER = """
import pickle, sys, warnings
from fleche_like.hashing import digest
for value in pickle.load(sys.stdin.buffer):
    print(digest(value))
"""


@settings(relaxed, max_examples=1)
@given(st.lists(strategies.all_values(), min_size=40, max_size=40))
def test_another_process_agrees(many: list[Any]) -> None:
    for seed in ("0", "77"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", READER],
            input=pickle.dumps(many, 5),
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        )
        assert done.stdout.decode().split() == list(map(digest, many))
