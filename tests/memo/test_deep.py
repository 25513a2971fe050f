"""Code that a function reaches is part of its calls' identity: between runs and within one."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import pytest

import fleche_like as fl
from tests.memo.projects import cases

pytestmark = pytest.mark.usefixtures("memory_cache")


def misses(cache, call):
    before = cache.stored
    return call(), cache.stored - before


@pytest.mark.parametrize("case", [*cases("edits"), *cases("edits_indirect")])
def test_an_edit_that_changes_the_answer_is_noticed(project, memory_cache, case):
    first = project.load(case.files).f(3)
    again, computed = misses(memory_cache, lambda: project.load(case.files).f(3))
    assert (again, computed) == (first, 0), "the same code in the next run is a hit"
    changed, computed = misses(memory_cache, lambda: project.load(case.edited()).f(3))
    assert changed != first
    assert computed >= 1
    back, computed = misses(memory_cache, lambda: project.load(case.files).f(3))
    assert (back, computed) == (first, 0), "changed back, old results are hits"


@pytest.mark.parametrize("case", cases("layout"))
def test_an_edit_that_changes_nothing_is_none(project, memory_cache, case):
    project.load(case.files).f(3)
    _, computed = misses(memory_cache, lambda: project.load(case.edited()).f(3))
    assert computed == 0


# Within one run: what is replaced between two calls is noticed on the next.

IN_PROCESS = """
import functools
import fleche_like as fl
import lib

CONFIG = {"k": 1, "more": {"x": [0]}}
ITEMS = []

def helper(x):
    return x + 1

def other(x):
    return x + 100

class Base:
    k = 1
    def step(self):
        return 1

class C(Base):
    def go(self, x):
        return x + self.step() * self.k

TABLE = {"h": helper}
THE = C()

@functools.singledispatch
def generic(x):
    return 0

@fl.memoize
def f(x):
    return (
        helper(x), lib.helper(x), C().go(x), TABLE["h"](x), THE.go(x), CONFIG["k"],
        CONFIG["more"]["x"][0], generic(x),
    )
"""
LIB = "def helper(x):\n    return x + 1\n"


@pytest.fixture
def loaded(project):
    return project.load({"main": IN_PROCESS, "lib": LIB})


def rebind_helper(m):
    m.helper = m.other


def replace_code(m):
    m.helper.__code__ = m.other.__code__


def patch_module(m):
    m.lib.helper = m.other


def patch_method(m):
    m.C.go = lambda self, x: x + 1000


def patch_base(m):
    m.Base.step = lambda self: 50


def override_in_subclass(m):
    m.C.step = lambda self: 60


def patch_class_attribute(m):
    m.Base.k = 70


def change_table(m):
    m.TABLE["h"] = m.other


def change_config(m):
    m.CONFIG["k"] = 2


def change_config_deep_down(m):
    m.CONFIG["more"]["x"][0] = 1


def change_instance(m):
    m.THE.k = 80


def change_bases(m):
    class Other:
        k = 90

        def step(self):
            return 1

    m.C.__bases__ = (Other,)


def register(m):
    m.generic.register(int, lambda x: x + 1)


def hide_a_builtin(m):
    m.sorted = m.other


@pytest.mark.parametrize(
    "change",
    [
        rebind_helper, replace_code, patch_module, patch_method, patch_base, override_in_subclass,
        patch_class_attribute, change_table, change_config, change_config_deep_down,
        change_instance, change_bases, register,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_a_change_between_two_calls_is_noticed(loaded, change):
    assert loaded.f(3) == loaded.f.__wrapped__(3)
    assert loaded.f(3) == loaded.f.__wrapped__(3)
    assert loaded.f.stats().hits == 1
    before = loaded.f(3)
    change(loaded)
    after = loaded.f.__wrapped__(3)
    assert after != before
    assert loaded.f(3) == after


def test_a_rebound_helper_that_comes_back_brings_its_results_back(loaded, memory_cache):
    loaded.f(3)
    original = loaded.helper
    loaded.helper = loaded.other
    loaded.f(3)
    loaded.helper = original
    _, computed = misses(memory_cache, lambda: loaded.f(3))
    assert computed == 0


def test_a_reloaded_module_is_looked_at_again(project, memory_cache):
    m = project.load({"main": IN_PROCESS, "lib": LIB})
    first = m.f(3)
    (project.folder / "lib.py").write_text(LIB.replace("x + 1", "x + 2222"))
    importlib.reload(m.lib)
    assert m.f(3) == m.f.__wrapped__(3) != first
    (project.folder / "lib.py").write_text(LIB + "# the same code\n")
    importlib.reload(m.lib)
    _, computed = misses(memory_cache, lambda: m.f(3))
    assert computed == 0


def test_unchanged_code_is_not_looked_at_again(loaded, monkeypatch):
    loaded.f(3)
    tracker = loaded.f._engine.tracker
    monkeypatch.setattr(tracker, "_look_again", None)
    for _ in range(3):
        loaded.f(3)
    assert loaded.f.stats().hits == 3


def test_two_closures_of_one_factory_are_two_functions(memory_cache):
    def make(k):
        def helper(x):
            return x + k

        @fl.memoize
        def f(x):
            return helper(x)

        return f

    assert (make(1)(1), make(2)(1), make(1)(1)) == (2, 3, 2)
    assert memory_cache.query().count() == 2


def test_instances_of_local_classes_count_by_their_class_every_time():
    """From the second digest on, the class was left out: a helper's hit for another class."""

    def make(k):
        class Local:
            def __init__(self):
                self.x = 1

            def step(self):
                return k and self.x

        return Local()

    @fl.memoize(code="none")
    def f(local):
        return local.step()

    assert [f(make(1)), f(make(1))] == [1, 1]
    first = make(1)
    assert fl.digest(first) == fl.digest(first) == fl.digest(make(1))


def test_wrapping_keeps_functions_apart(memory_cache):
    def named(function):
        @functools.wraps(function)
        def wrapper(x):
            return function(x) + 1

        return wrapper

    def plain(x):
        return x

    @fl.memoize
    def f(x):
        return helper(x)

    helper = plain
    assert f(1) == 1
    helper = named(plain)
    assert f(1) == 2


def test_a_subclass_has_calls_of_its_own_that_queries_find(memory_cache):
    class_made: dict[str, Any] = {"__name__": "made"}
    exec(SUBCLASS, class_made)
    base, sub, go = class_made["B"](), class_made["S"](), class_made["B"].go
    assert (base.go(1), sub.go(1)) == (2, 11)
    assert sorted(go.query().results()) == [2, 11]
    assert [*sub.go.query().results()] == [11]


SUBCLASS = """
import fleche_like as fl

class B:
    def step(self):
        return 1
    @fl.memoize
    def go(self, x):
        return x + self.step()

class S(B):
    def step(self):
        return 10
"""
