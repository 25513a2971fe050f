"""Ways in which a helper or a setting could change unnoticed between two calls.

Each builds a small module, changes something that changes the answer, and asks again.
"""

from __future__ import annotations

import pytest

import fleche_like as fl
from tests.memo.projects import cases

pytestmark = pytest.mark.usefixtures("memory_cache")


@pytest.fixture
def plain(other_memory_cache):
    """Return what the function would answer if nothing were stored."""

    def ask(m):
        other_memory_cache.query().evict()
        with fl.use_cache(other_memory_cache):
            return m.f(3)

    return ask


@pytest.mark.parametrize("case", [*cases("traps"), *cases("traps_indirect")])
def test_a_change_is_noticed(project, plain, case, monkeypatch):
    m = project.load(case.files)
    expected = plain(m)
    assert m.f(3) == expected
    assert m.f(3) == expected
    exec(case.change, {"m": m, "patch": monkeypatch})
    changed = plain(m)
    assert changed != expected, "the trap itself works"
    assert m.f(3) == changed


@pytest.mark.parametrize("case", [*cases("traps"), *cases("traps_indirect")])
def test_what_did_not_change_is_a_hit(project, memory_cache, case):
    project.load(case.files).f(3)
    stored = memory_cache.query().count()
    m = project.load(case.files)
    m.f(3)
    m.f(3)
    assert memory_cache.query().count() == stored > 0


@pytest.mark.parametrize("case", cases("traces"))
def test_what_the_function_leaves_behind_does_not_count(project, memory_cache, case):
    m = project.load(case.files)
    for x in (1, 2, 1, 2):
        m.f(x)
    assert (m.f.stats().misses, m.f.stats().hits) == (2, 2)
