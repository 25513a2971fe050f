"""A script whose functions are decorated in ``__main__``: argument 1 is a pool, 2 a cache folder.

Prints what a batch gave and, asked afterwards here, whether all of it is stored.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import multiprocessing
import sys

import fleche_like as fl

OFFSET = 100


class Shift:
    def __init__(self, by):
        self.by = by

    @fl.memoize
    def moved(self, x):
        return x + self.by


@fl.memoize
def helper(x):
    return x * 2


@fl.memoize
def work(x):
    return work(x - 1) + 1 if x > 3 else helper(x) + OFFSET


@fl.memoize
def shifted(shift, x):
    return shift.moved(x)


@contextlib.contextmanager
def loky():
    from joblib.externals.loky import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as pool:
        yield pool


@contextlib.contextmanager
def dask():
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


def pool_of(name):
    if name in ("loky", "dask"):
        return {"loky": loky, "dask": dask}[name]()
    context = multiprocessing.get_context(name)
    return concurrent.futures.ProcessPoolExecutor(2, mp_context=context)


def main(name, folder):
    def local(x):
        return x - OFFSET

    local = fl.memoize(local)
    cache = fl.open_cache(folder)
    with fl.use_cache(cache), pool_of(name) as pool:
        answers = [
            list(work.map([1, 2, 5], executor=pool)),
            list(local.map([1, 2], executor=pool)),
            list(Shift(7).moved.map([1, 2], executor=pool)),
            list(shifted.map([(Shift(7), 3), (Shift(8), 3)], star=True, executor=pool)),
        ]
        stored = [
            all(map(work.contains, [1, 2, 3, 4, 5])),
            all(map(helper.contains, [1, 2, 3])),
            all(map(local.contains, [1, 2])),
            all(map(Shift(7).moved.contains, [1, 2])),
            # Workers of loky and Dask do not have the script: its classes are others there.
            name in ("loky", "dask") or Shift(7).moved.contains(3),
            all(shifted.contains(Shift(by), 3) for by in (7, 8)),
        ]
    runs = [work.stats().misses, helper.stats().misses, local.stats().misses]
    print(json.dumps({"answers": answers, "stored": stored, "runs": runs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
