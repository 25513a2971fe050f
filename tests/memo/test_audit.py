"""A sample of hits is recomputed; what differs is told, and the answer stays."""

from __future__ import annotations

import asyncio
import itertools
import warnings

import pytest

import fleche_like as fl
from fleche_like.memo import Audit

pytestmark = pytest.mark.usefixtures("cache")

RUNS: dict[str, int] = {}


def counted(name):
    RUNS[name] = RUNS.get(name, 0) + 1
    return RUNS[name]


def impure(option):
    ticks = itertools.count()

    def tick():
        return next(ticks)

    @fl.memoize(audit=option, code="none")
    def f(x):
        return x, tick()

    return f


def test_an_impure_function_is_found_out_once(cache):
    f = impure(1.0)
    assert f(1) == (1, 0)
    with pytest.warns(fl.AuditWarning, match=f"{f.key(1)[:8]} is stored as") as caught:
        assert [f(1), f(1), f(x=1)] == [(1, 0)] * 3
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert (f.stats().audited, f.stats().mismatches, f.stats().hits) == (3, 3, 3)
    assert cache.load(f.key(1)).result == (1, 0)


def test_explain_shows_what_was_found():
    f = impure(1.0)
    f(1)
    with pytest.warns(fl.AuditWarning):
        f(1)
    told = f.explain(1)
    assert [each.key for each in told.mismatches] == [f.key(1)]
    assert "computed again" in str(told)
    assert told.to_dict()["mismatches"][0]["stored"] == fl.digest((1, 0))


def test_a_pure_function_is_left_in_peace():
    @fl.memoize(audit=1.0)
    def f(x):
        return [x]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [f(1) for _ in range(4)] == [[1]] * 4
    assert (f.stats().audited, f.stats().mismatches) == (3, 0)


def test_a_missed_dependency_is_found_out(tmp_path):
    path = tmp_path / "input.txt"
    path.write_text("a")

    @fl.memoize(audit=1.0)
    def read(name):
        return path.parent.joinpath(name).read_text()

    read("input.txt")
    path.write_text("b")
    with pytest.warns(fl.AuditWarning):
        assert read("input.txt") == "a"


def test_the_same_seed_audits_the_same_hits():
    def audited(seed):
        f = impure(Audit(0.3, seed))
        f.rerun(0)
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(40):
                f(0)
                found.append(f.stats().audited)
        return found

    first, second, other = audited(7), audited(7), audited(8)
    assert first == second != other
    assert 3 <= first[-1] <= 24


def test_without_audit_nothing_is_recomputed():
    f = impure(0)
    assert [f(1), f(1), f(1)] == [(1, 0)] * 3
    assert f.stats().audited == 0


def test_a_body_that_raises_now_takes_no_answer_away():
    fail = False

    @fl.memoize(audit=1.0, code="none")
    def f(x):
        if fail:
            raise OSError("gone")
        return x

    f(1)
    fail = True
    with pytest.warns(fl.AuditWarning, match="raises OSError: gone"):
        assert f(1) == 1


def test_what_the_body_does_to_arguments_stays_inside():
    @fl.memoize(audit=1.0)
    def total(xs):
        xs.append(0)
        return sum(xs)

    total([1, 2])
    mine = [1, 2]
    assert total(mine) == 3
    assert mine == [1, 2]
    assert (total.stats().audited, total.stats().mismatches) == (1, 0)


def test_arguments_that_cannot_be_copied_are_not_audited():
    class Stubborn:
        def __deepcopy__(self, memo):
            raise TypeError

    @fl.memoize(audit=1.0)
    def f(x):
        return 1

    assert (f(Stubborn()), f(Stubborn())) == (1, 1)
    assert (f.stats().hits, f.stats().audited) == (1, 0)


def test_coroutines():
    ticks = itertools.count()

    @fl.memoize(audit=1.0, code="none")
    async def f(x):
        await asyncio.sleep(0)
        return x, next(ticks)

    async def twice():
        return await f(1), await f(1)

    with pytest.warns(fl.AuditWarning):
        assert asyncio.run(twice()) == ((1, 0), (1, 0))
    assert f.stats().mismatches == 1


def test_methods_and_functions_inside():
    class Model:
        def __init__(self):
            self.k = 2

        @fl.memoize(audit=1.0)
        def go(self, x):
            return inner(x) * self.k

    @fl.memoize(audit=1.0)
    def inner(x):
        return x + 1

    model = Model()
    assert [model.go(1), model.go(1)] == [4, 4]
    assert (model.go.stats().audited, model.go.stats().mismatches) == (1, 0)


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_rate_is_a_share(rate):
    with pytest.raises(fl.ConfigError, match="share"):
        fl.memoize(audit=rate)(lambda x: x)
