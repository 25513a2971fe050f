"""Counts and groups, as asked of a cache and as written by hand for the flat table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleche_like import Cache, arg
from scripts.benchmarks import synthetic

Aggregate = tuple[str, Callable[[], object], str]
"""What it is called, what asks the cache, the statement for the flat table."""


def counts(cache: Cache, groups: int) -> Iterator[Aggregate]:
    """Yield what counts calls; ``groups`` is how many different numbers of steps there are."""
    half = synthetic.steps(groups // 2)
    count = "SELECT count(*) FROM calls"
    everything = cache.query()
    yield "count all", everything.count, count
    train = cache.query(name="train")
    yield "count one function", train.count, f"{count} WHERE name = 'train'"
    above = everything.where(arg("alpha") > 0.05)
    yield "count alpha > x", above.count, f"{count} WHERE alpha > 0.05"
    both = above.where(arg("steps") <= half)
    yield (
        "count alpha > x, steps <= y",
        both.count,
        f"{count} WHERE alpha > 0.05 AND steps <= {half}",
    )
    few = cache.query(name="simulate", arguments={"solver": "lu"})
    yield (
        "count one function, one solver",
        few.count,
        f"{count} WHERE name = 'simulate' AND solver = 'lu'",
    )


def aggregates(cache: Cache, groups: int) -> Iterator[Aggregate]:
    """Yield all of them."""
    yield from counts(cache, groups)
