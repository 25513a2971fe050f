"""What is asked of a cache of synthetic calls, each time with other keys and values."""

from __future__ import annotations

import itertools
from typing import Any, Final

from fleche_like import Cache, arg, meta
from fleche_like.hashing import Digest
from scripts.benchmarks import synthetic

SOME: Final = 1000
PREFIX: Final = 12


class Asked:
    """Questions to one cache; each asks when it is called.

    Args:
        cache: holds the synthetic calls.
        count: how many there are.
    """

    def __init__(self, cache: Cache, count: int) -> None:
        self.cache = cache
        self.count = count
        step = max(1, count // SOME)
        some = [synthetic.made(number, count) for number in range(0, count, step)][:SOME]
        self.some_keys: list[Digest] = [synthetic.sealed(made).key for made in some]
        self.keys = itertools.cycle(self.some_keys)
        self.alphas = itertools.cycle(made.alpha * 0.9 for made in some)
        self.groups = itertools.cycle(synthetic.groups_of_simulate(count))

    def expand(self) -> Any:
        """Expand a short key."""
        return self.cache.expand(next(self.keys)[:PREFIX])

    def shrink(self) -> Any:
        """Shrink a key."""
        return self.cache.shrink(next(self.keys))

    def shrink_many(self) -> Any:
        """Shrink a thousand keys."""
        return self.cache.shrink_keys(self.some_keys)

    def template(self) -> Any:
        """Load a thousand calls by name and one argument."""
        steps = synthetic.steps(next(self.groups))
        return self.cache.query(name="simulate", arguments={"steps": steps}).all()

    def range_of_one(self) -> Any:
        """Load the first twenty above a value."""
        alpha = next(self.alphas)
        return self.cache.query().where(arg("alpha") > alpha).order_by("alpha").limit(20).all()

    def range_of_two(self) -> Any:
        """Load the first twenty in two ranges, each of which many calls meet."""
        alpha, half = next(self.alphas), synthetic.steps(synthetic.groups(self.count) // 2)
        asked = self.cache.query().where(arg("alpha") > alpha, arg("steps") <= half)
        return asked.order_by("alpha").limit(20).all()

    def narrow_range_of_two(self) -> Any:
        """Load the first twenty in two ranges, of which the second is narrow."""
        alpha, steps = next(self.alphas), synthetic.steps(next(self.groups))
        asked = self.cache.query().where(arg("alpha") > alpha, arg("steps") >= steps)
        asked = asked.where(arg("steps") < steps + 10)
        return asked.order_by("alpha").limit(20).all()

    def empty_range_of_two(self) -> Any:
        """Look for calls in two ranges that no call meets both."""
        alpha = next(self.alphas)
        asked = self.cache.query().where(arg("alpha") > alpha, arg("steps") < 0)
        return asked.order_by("-alpha").limit(20).all()

    def slowest(self, name: str = "train") -> Any:
        """Load the twenty calls of a function that took longest."""
        slowest = meta("runtime.walltime").desc()
        return self.cache.query(name=name).order_by(slowest).limit(20).all()

    def quick_and_large(self) -> Any:
        """Load the first twenty in a range of an argument and one of metadata."""
        asked = self.cache.query().where(arg("alpha") > next(self.alphas))
        return asked.where(meta("runtime.walltime") < 0.25).order_by("alpha").limit(20).all()
