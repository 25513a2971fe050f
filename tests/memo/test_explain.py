"""What ``explain`` says of a call: whether it would hit, and if not, what differs."""

from __future__ import annotations

import dataclasses
import importlib
import json
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.memo import nearest
from fleche_like.memo.differences import value_differences

pytestmark = pytest.mark.usefixtures("cache")

MAIN = """import fleche_like as fl
import lib
from lib import helper

FACTOR = 2

class Model:
    def __init__(self, k):
        self.k = k
    def step(self):
        return self.k
    @fl.memoize
    def go(self, x):
        return x + self.step()

@fl.memoize
def f(cfg, steps=100, *, seed=0):
    return helper(steps) * FACTOR + cfg["optimizer"]["lr"]
"""
LIB = "def helper(x):\n    # doubled\n    return x * 2\n"
CFG: dict[str, Any] = {"optimizer": {"lr": 0.1, "name": "adam"}, "n": 3}


@pytest.fixture
def m(project):
    return project.load({"main": MAIN, "lib": LIB})


def said(explanation):
    return [str(each) for each in explanation.differences]


def with_lr(lr):
    return {**CFG, "optimizer": {**CFG["optimizer"], "lr": lr}}


def test_a_hit(m):
    m.f(CFG)
    told = m.f.explain(cfg=CFG, steps=100)
    assert (told.hit, told.key, told.differences) == (True, m.f.key(CFG), ())
    assert str(told).splitlines()[0].endswith(f"is stored as {told.key[:8]}: a hit")


def test_nothing_is_stored(m):
    told = m.f.explain(CFG)
    assert (told.hit, told.nearest, told.differences) == (False, None, ())
    assert "no call of that name is" in str(told)


def test_nothing_is_run_and_nothing_counted(m, cache):
    m.f.explain(CFG)
    assert cache.stored == 0
    assert m.f.stats().misses == m.f.stats().hits == 0


def test_the_path_inside_an_argument(m):
    m.f(CFG)
    assert said(m.f.explain(with_lr(0.2))) == ['cfg["optimizer"]["lr"]: 0.1 -> 0.2']


def test_the_nearest_call_is_the_one_with_fewest_differences(m):
    m.f(CFG, 1, seed=1)
    m.f(CFG, 2, seed=2)
    m.f(with_lr(9), 1, seed=7)
    told = m.f.explain(CFG, 2, seed=3)
    assert told.nearest == m.f.key(CFG, 2, seed=2)
    assert said(told) == ["seed: 2 -> 3"]


def test_a_helper_with_its_sources(m, project):
    m.f(CFG)
    (project.folder / "lib.py").write_text(LIB.replace("x * 2", "x * 2 + 1"))
    importlib.reload(m.lib)
    m.helper = m.lib.helper
    (difference,) = m.f.explain(CFG).differences
    assert (difference.kind, difference.name) == ("function", "lib.helper")
    assert "-    return x * 2\n+    return x * 2 + 1" in difference.detail


def test_sources_are_there_in_the_next_run(project):
    project.load({"main": MAIN, "lib": LIB}).f(CFG)
    m = project.load({"main": MAIN, "lib": LIB.replace("x * 2", "x * 3")})
    assert "-    return x * 2\n+    return x * 3" in m.f.explain(CFG).differences[0].detail


def test_sources_that_were_not_kept(m, cache, project):
    m.f(CFG)
    code = m.f.call(CFG).code
    for part, known in cache.manifest(code).items():
        if part.startswith("source "):
            cache.values.evict(known)
    m.helper.__code__ = (lambda x: x * 3).__code__
    assert m.f.explain(CFG).differences[0].detail == "source not kept"


def test_a_global_with_its_values(m):
    m.f(CFG)
    m.FACTOR = 3
    assert said(m.f.explain(CFG)) == ["global FACTOR: 2 -> 3"]


def test_the_body(m, project):
    m.f(CFG)
    other = project.load({"main": MAIN.replace("* FACTOR +", "* FACTOR -"), "lib": LIB})
    (difference,) = other.f.explain(CFG).differences
    assert difference.kind == "body"
    assert "+    return helper(steps) * FACTOR - cfg" in difference.detail


def test_a_helper_that_is_new(m, project):
    m.f(CFG)
    text = (
        MAIN.replace("helper(steps) *", "helper(extra(steps)) *") + "def extra(x):\n    return x\n"
    )
    told = project.load({"main": text, "lib": LIB}).f.explain(CFG)
    assert "function extra: there, not there before" in said(told)


def test_version_and_module(cache):
    def body(x):
        return x

    fl.memoize(version=1)(body)(1)
    assert said(fl.memoize(version=2)(body).explain(1)) == ["version: 1 -> 2"]
    body.__module__ = "elsewhere"
    told = fl.memoize(version=1)(body).explain(1)
    assert said(told) == [f"module: {__name__} -> elsewhere"]


def test_a_package_that_is_keyed(monkeypatch, cache):
    def body(x):
        return np.abs(x)

    fl.memoize(packages="numpy")(body)(1)
    monkeypatch.setattr("fleche_like.memo.packages.version_of", lambda name: "99")
    told = fl.memoize(packages=["numpy"])(body).explain(1)
    assert [(d.kind, d.name) for d in told.differences] == [("package", "numpy")]
    assert "package numpy" in told.manifest
    assert fl.memoize(body).explain(1).packages == {"numpy": np.__version__}


def test_methods(m):
    model = m.Model(1)
    model.go(3)
    assert said(m.Model(2).go.explain(3)) == ["self.k: 1 -> 2"]
    m.Model.step = lambda self: 0
    kinds = {(each.kind, each.name) for each in model.go.explain(3).differences}
    assert ("class", "Model") in kinds


def test_an_argument_whose_value_was_not_kept(cache):
    @fl.memoize(arguments="none")
    def f(xs):
        return len(xs)

    f([1, 2])
    (difference,) = f.explain([1, 3]).differences
    assert difference.detail == "value not kept"


def test_what_cannot_be_cached(m):
    told = m.f.explain({"optimizer": iter([])})
    assert (told.hit, told.key) == (False, None)
    assert "args['cfg']['optimizer']" in told.problem
    assert "cannot be cached" in str(told)


def test_an_expired_result(cache):
    @fl.memoize(expire=1e-9)
    def f(x):
        return x

    f(1)
    assert f.explain(1).expired
    assert "has expired" in str(f.explain(1))


def test_a_wrong_call_raises(m):
    with pytest.raises(TypeError, match="missing"):
        m.f.explain()


def test_what_is_not_followed_is_listed(project):
    m = project.load(
        {
            "main": "import fleche_like as fl\nimport lib\n"
            "@fl.memoize\ndef f(name):\n"
            "    return getattr(lib, name)(), eval(name), getattr(name, 'upper')\n",
            "lib": LIB,
        }
    )
    assert m.f.explain("helper").notes == (
        "f, line 5: eval() is not followed",
        "f, line 5: getattr() with a computed name is not followed",
        "f: of the module lib as a whole only what is named is followed",
    )


def test_as_data(m):
    m.f(CFG)
    m.FACTOR = 3
    told = m.f.explain(with_lr(0.2))
    data = json.loads(json.dumps(told.to_dict()))
    assert data["differences"][0] == {
        "kind": "argument", "name": 'cfg["optimizer"]["lr"]', "before": "0.1", "after": "0.2",
        "detail": "",
    }  # fmt: skip
    assert data["hit"] is False
    assert set(data["manifest"]) == set(told.manifest)


def test_only_a_bounded_number_of_calls_is_looked_at(cache, monkeypatch):
    @fl.memoize
    def f(a, b):
        return a

    for a in range(60):
        f(a, a % 3)
    seen = []
    measure = nearest._distance

    def counted(call, wanted):
        seen.append(call.key)
        return measure(call, wanted)

    monkeypatch.setattr(nearest, "_distance", counted)
    assert said(f.explain(59, 1)) == ["b: 2 -> 1"]
    assert len(seen) <= 5 * nearest._OF_EACH


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ['v["a"][1]["b"]: 2 -> 3']),
        ({"a": 1}, {"b": 1}, ['v["a"]: was 1, is not there now', 'v["b"]: 1, not there before']),
        ([1, 2], [1], ["len(v): 2 -> 1"]),
        (1, True, ["v: 1 (int) -> True (bool)"]),
        ((1, 2), [1, 2], ["v: (1, 2) (tuple) -> [1, 2] (list)"]),
        (Point(1, ["a"]), Point(1, ["b"]), ["v.tags[0]: 'a' -> 'b'"]),
        (np.arange(4), np.array([0, 1, 9, 3]), ["v[2]: 2 -> 9"]),
        (np.zeros((2, 2)), np.ones((2, 2)), ["v[0, 0]: 0.0 -> 1.0 (4 items differ)"]),
        (np.zeros(2), np.zeros(3), ["v.shape: (2,) -> (3,)"]),
        (np.zeros(2), np.zeros(2, "f4"), ["v.dtype: float64 -> float32"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ["order of v: a, b -> b, a"]),
        (0.0, -0.0, ["v: 0.0 -> -0.0"]),
        ({1}, {2}, ["v: {1} -> {2}"]),
        ([1, 2], [1, 2], []),
    ],
)
def test_where_values_differ(before, after, expected):
    assert [str(each) for each in value_differences(before, after, "v")] == expected


def test_differences_are_bounded():
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    assert len(value_differences([0] * 100_000, [1] * 100_000, "v")) == 20
    assert len(value_differences(deep, [deep], "v")) == 1
