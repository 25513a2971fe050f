"""What the child processes of the concurrency tests run."""

from __future__ import annotations

import os
import sys

import numpy as np

import fleche_like as fl


@fl.memoize
def small(n):
    return {"n": n, "square": n * n}


@fl.memoize
def large(n):
    """Larger than what goes into the database: a file."""
    return np.full(20_000, n)


def expected(name, n):
    return {"n": n, "square": n * n} if name == "small" else np.full(20_000, n)


def work(folder, numbers):
    """Compute both functions over the numbers; return how many bodies ran."""
    with fl.open_cache(folder) as cache, fl.use_cache(cache):
        for n in numbers:
            assert small(n) == expected("small", n)
            np.testing.assert_array_equal(large(n), expected("large", n))
    return small.stats().misses + large.stats().misses


def work_forever(folder):
    """Compute until killed; says when the first call is stored."""
    cache = fl.open_cache(folder)
    fl.set_cache(cache)
    n = os.getpid() * 1000
    while True:
        small(n)
        large(n)
        n += 1
        sys.stdout.write("x")
        sys.stdout.flush()


if __name__ == "__main__":
    work_forever(sys.argv[1])
