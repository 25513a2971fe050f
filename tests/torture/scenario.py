"""What a caller does with a cache, and what has to hold when it is done."""

from __future__ import annotations

import contextlib

import numpy as np

import fleche_like as fl
from fleche_like.calls import RESULT
from fleche_like.errors import CodecError
from fleche_like.maintenance import reindex
from fleche_like.support.sentinel import MISSING


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


@contextlib.contextmanager
def paused(faults):
    """Let nothing go wrong for a moment."""
    faults.stopped = True
    try:
        yield
    finally:
        faults.stopped = False


def everything(n, faults):
    """Do all that callers do; what must hold does so at any time, not just in the end."""
    cache = fl.current_cache()
    for _ in range(2):
        ask(n)
        with paused(faults):
            no_record_without_its_result(cache)
    attempt(lambda: small.rerun(n))
    keys = [function.key(*args) for function, args in calls_of(n)]
    for call in attempt(lambda: list(small.query(n))) or ():
        result = attempt(lambda call=call: call.result)
        assert result is None or result == small.__wrapped__(n)
    attempt(lambda: cache.lookup_many(keys))
    attempt(lambda: cache.evict(keys[0]))
    attempt(lambda: cache.contains(keys[0]))
    ask(n)


def check(cache, n):
    """See that all that has to hold does, now that nothing goes wrong any more; then tidy up."""
    no_record_without_its_result(cache)
    before = {function: function.stats().uncached for function, _ in calls_of(n)}
    ask(n)
    _adopt_records(cache)
    for function, args in calls_of(n):
        key = function.key(*args)
        assert cache.contains(key)
        np.testing.assert_equal(cache.lookup(key), function.__wrapped__(*args))
        assert before[function] == function.stats().uncached
        if cache.leases is not None:
            assert cache.leases.try_acquire(key)
            cache.leases.release(key)
    calls = list(cache.query())
    assert {call.key for call in calls} >= {f.key(*args) for f, args in calls_of(n)}
    for call in calls:
        np.testing.assert_equal(call.result, expected(call))
    database = getattr(cache.calls, "database", None)
    if database is not None and database.path is not None:
        assert database._pool.freeze(5)
        database._pool.thaw()
    # What is stored stays little: a query without an index has an operation for each call.
    cache.query().evict()


def no_record_without_its_result(cache):
    """Damaged records are misses, and put themselves aside; a torn result is there, damaged."""
    for key in list(cache.calls.list()):
        call = cache.calls.lookup(key)
        if call is not MISSING and RESULT not in call.scalars:
            assert cache.values.contains(call.result), call


def _adopt_records(cache):
    """Give rows to records that were written to files when their rows could not be: they are hits,
    and found by queries once the index was rebuilt."""
    records = getattr(cache.calls, "_records", None)
    if records is not None:
        reindex(cache.calls.database, records=records, show_progress=False)
