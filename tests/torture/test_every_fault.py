"""Something goes wrong at the n-th operation, for every n: what must hold, holds."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.errors import CodecError
from fleche_like.testing.faults import Fails, Fault, Faults, Torn
from tests.torture.compositions import COMPOSITIONS

EFFECTS = {
    "failure": Fault(Fails()),
    "no room": Fault(Fails("no room")),
    "lost": Fault(Fails("lost")),
    "conflict": Fault(Fails("conflict")),
    "torn": Fault(Torn(0.5)),
    "torn silently": Fault(Torn(0.5, silent=True)),
    "lost after": Fault(Fails("lost"), after=True),
    "interrupt": Fault(Fails(KeyboardInterrupt())),
    "interrupt after": Fault(Fails(KeyboardInterrupt()), after=True),
    "gone for a while": Fault(Fails("lost"), times=3),
}


@fl.memoize(code="none")
def small(n):
    return {"n": n, "square": n * n}


@fl.memoize(code="none")
def large(n, options):
    return np.full(10_000, n)


@fl.memoize(code="none")
def scalar(n):
    return n * 0.5


def expected(call):
    n = call.arguments["n"]
    return {"small": {"n": n, "square": n * n}, "large": np.full(10_000, n), "scalar": n * 0.5}[
        call.name
    ]


def calls_of(n):
    """What is asked for, each with its memoized function."""
    return [(small, (n,)), (large, (n, [n, "x" * 100])), (scalar, (n,))]


def ask(n):
    """Ask for everything once; a caller gets the right answer, whatever happens below."""
    for function, args in calls_of(n):
        np.testing.assert_equal(function(*args), function.__wrapped__(*args))


def attempt(action):
    """Use the cache itself, which may raise what its documentation says, and nothing else."""
    try:
        return action()
    except (OSError, CodecError):
        return None


def everything(cache, n):
    ask(n)
    ask(n)
    attempt(lambda: small.rerun(n))
    keys = [function.key(*args) for function, args in calls_of(n)]
    for call in attempt(lambda: list(small.query(n))) or ():
        result = attempt(lambda call=call: call.result)
        assert result is None or result == small.__wrapped__(n)
    attempt(lambda: cache.lookup_many(keys))
    attempt(lambda: cache.evict(keys[0]))
    attempt(lambda: cache.contains(keys[0]))
    ask(n)


def struck(cache, n, faults, fault):
    """Do everything with one fault; whether it struck."""
    faults.plan(fault)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fl.NotCachedWarning)
        try:
            everything(cache, n)
        except KeyboardInterrupt:
            assert isinstance(fault.effect, Fails)
        finally:
            faults.stop()
    return faults.struck > 0


def check(cache, n):
    """What has to hold once nothing goes wrong any more."""
    before = {function: function.stats().uncached for function, _ in calls_of(n)}
    ask(n)
    for function, args in calls_of(n):
        key = function.key(*args)
        assert cache.contains(key)
        np.testing.assert_equal(cache.lookup(key), function.__wrapped__(*args))
        assert before[function] == function.stats().uncached
        if cache.leases is not None:
            assert cache.leases.try_acquire(key)
            cache.leases.release(key)
        assert [call.key for call in function.query(*args)] == [key]
    database = getattr(cache.calls, "database", None)
    if database is not None and database.path is not None:
        assert database._pool.freeze(5)
        database._pool.thaw()


def check_all(cache):
    """No record without its result, no wrong value; return how many records there are."""
    count = 0
    for call in cache.query():
        np.testing.assert_equal(call.result, expected(call))
        count += 1
    return count


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("compose", COMPOSITIONS)
def test_a_fault_at_any_operation_breaks_nothing(tmp_path, compose, name):
    faults, fault = Faults(), EFFECTS[name]
    with compose(tmp_path, faults) as cache, fl.use_cache(cache):
        everything(cache, 0)
        for n in itertools.count(1):
            at = Fault(fault.effect, at=n, times=fault.times, after=fault.after)
            if not struck(cache, n, faults, at):
                break
            check(cache, n)
        assert n > 10
        assert check_all(cache) == 3 * (n + 1)
