"""Counts and groups, as asked of a cache and as written by hand for the flat table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fleche_like import Cache, arg, meta
from fleche_like.calls import count
from fleche_like.query import Query
from scripts.benchmarks import synthetic


class Aggregate(NamedTuple):
    """One figure, or one for each group.

    Attributes:
        name: what it is called.
        ask: asks the cache.
        statement: the same for the flat table; groups in the order that the cache gives.
    """

    name: str
    ask: Callable[[], Any]
    statement: str


def aggregates(cache: Cache, groups: int) -> Iterator[Aggregate]:
    """Yield all of them; ``groups`` is how many different numbers of steps there are."""
    yield from _counts(cache, synthetic.steps(groups // 2))
    yield from _groups(cache)


def _counts(cache: Cache, half: int) -> Iterator[Aggregate]:
    everything = cache.query()
    above = everything.where(arg("alpha") > 0.05)
    both = above.where(arg("steps") <= half)
    yield _counted("count all", everything, "")
    yield _counted("count one function", cache.query(name="train"), "WHERE name = 'train'")
    yield _counted("count alpha > x", above, "WHERE alpha > 0.05")
    where = f"WHERE alpha > 0.05 AND steps <= {half}"
    yield _counted("count alpha > x, steps <= y", both, where)
    few = cache.query(name="simulate", arguments={"solver": "lu"})
    where = "WHERE name = 'simulate' AND solver = 'lu'"
    yield _counted("count one function, one solver", few, where)


def _counted(name: str, query: Query, where: str) -> Aggregate:
    return Aggregate(name, query.count, f"SELECT count(*) FROM calls {where}")


def _groups(cache: Cache) -> Iterator[Aggregate]:
    everything = cache.query()
    yield Aggregate(
        "group by solver: count",
        lambda: everything.group_by("solver").agg(n=count()),
        "SELECT solver, count(*) FROM calls GROUP BY solver ORDER BY solver",
    )
    yield Aggregate(
        "group by solver: mean of alpha",
        lambda: everything.group_by("solver").agg(mean=arg("alpha").mean()),
        "SELECT solver, avg(alpha) FROM calls GROUP BY solver ORDER BY solver",
    )
    walltime = meta("runtime.walltime")
    simulate = cache.query(name="simulate")
    yield Aggregate(
        "one function, group by solver: count, mean and largest walltime",
        lambda: simulate.group_by("solver").agg(
            n=count(), mean=walltime.mean(), largest=walltime.max()
        ),
        "SELECT solver, count(*), avg(walltime), max(walltime) FROM calls"
        " WHERE name = 'simulate' GROUP BY solver ORDER BY solver",
    )
    high = everything.where(arg("alpha") > 0.9)
    yield Aggregate(
        "alpha > x, group by steps: count",
        lambda: high.group_by("steps").agg(n=count()),
        "SELECT steps, count(*) FROM calls WHERE alpha > 0.9 GROUP BY steps ORDER BY steps",
    )
    yield Aggregate(
        "figures of all: mean and largest walltime",
        lambda: everything.agg(mean=walltime.mean(), largest=walltime.max()),
        "SELECT avg(walltime), max(walltime) FROM calls",
    )
