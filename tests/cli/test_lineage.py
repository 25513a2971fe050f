"""``lineage``: trees and graphs of what came from what."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fleche_like.calls import Call
from fleche_like.hashing import digest

DATA = np.arange(7)


@pytest.fixture
def fit(results):
    results.save(Call("load", {"path": "a.csv"}, result=DATA))
    return results.save(Call("fit", {"data": [DATA]}, result={"loss": 0.5}))


def test_a_lineage_is_a_tree(look, fit):
    done = look("lineage", fit)

    assert (done.code, done.err) == (0, "")
    assert [line.split(" ")[0] for line in done.out.splitlines()] == ["fit(data=…)", "came", "└─"]
    assert "load(path='a.csv')" in done.out
    assert "(as data[0])" in done.out


def test_directions_and_depths_narrow_it(look, fit):
    value = digest(DATA)[:10]

    assert "went into" not in look("lineage", value, "--up").out
    assert "came from" not in look("lineage", value, "--down", "--depth", "1").out
    assert look("lineage", value, "--depth", "0").code == 2
    assert look("lineage", value, "--up", "--down").code == 2


def test_programs_read_graphs_and_json(look, fit):
    assert look("lineage", fit, "--format", "mermaid").out.startswith("flowchart TD\n")
    assert look("lineage", fit, "--format", "graphviz").out.startswith("digraph")
    shown = json.loads(look("lineage", fit, "--json").out)
    assert shown["start"] == fit
    assert [edge["value"] for edge in shown["edges"]] == [digest(DATA)]
    assert [edge["argument"] for edge in shown["edges"]] == ["data[0]"]


def test_a_key_of_nothing_is_not_found(look, fit):
    done = look("lineage", "ffff0000")

    assert (done.code, done.out) == (1, "")
