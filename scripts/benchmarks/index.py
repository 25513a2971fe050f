"""The index at scale: keys, queries, counts and groups among up to ten million calls.

How times grow is measured in one contest of databases of all sizes; beside it stand a flat table
written by hand (``index_flat.py``) and fleche (``index_fleche.py``), each over the same calls.
Every turn asks for other keys and values than the one before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from scripts.benchmarks import index_savings, synthetic
from scripts.benchmarks.contest import Entry, Samples, contest
from scripts.benchmarks.index_aggregates import aggregates
from scripts.benchmarks.index_curve import contender
from scripts.benchmarks.index_databases import Databases
from scripts.benchmarks.index_flat import FLAT, by_hand, template
from scripts.benchmarks.index_fleche import FLECHE, Theirs
from scripts.benchmarks.index_questions import Asked
from scripts.benchmarks.rows import (
    OURS,
    Bound,
    Row,
    Settings,
    Suite,
    times_faster_than,
    under,
    within,
)

SMALLEST: Final = 4
FLECHE_HAS: Final = 5
FLAT_HAS: Final = 6
"""Exponents of ten: calls in a database."""

Question = Callable[[Asked], object]


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["index"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Measure every row, one after the other."""
    with contextlib.ExitStack() as closing:
        measured = Measured(settings, closing)
        yield from measured.growth()
        yield from measured.beside_fleche()
        yield from measured.beside_flat()
    yield from index_savings.rows(settings, measured.databases, 10 ** measured.nearest(FLAT_HAS))


class Measured:
    """The rows, over databases that are open.

    Args:
        settings: how the run is made.
        closing: closes them.
    """

    def __init__(self, settings: Settings, closing: contextlib.ExitStack) -> None:
        self.settings = settings
        self.closing = closing
        self.databases = Databases(settings.databases or settings.folder / "databases")
        largest = settings.size(settings.largest, 2)
        self.exponents = range(settings.size(min(SMALLEST, largest - 1), 1), largest + 1)
        self.asked = {exponent: self._open(exponent) for exponent in self.exponents}

    def _open(self, exponent: int) -> Asked:
        cache = self.closing.enter_context(self.databases.ours(10**exponent))
        return Asked(cache, 10**exponent)

    def nearest(self, exponent: int) -> int:
        return min(max(exponent, self.exponents[0]), self.exponents[-1])

    # --- growth --------------------------------------------------------------------------------

    def growth(self) -> Iterator[Row]:
        """Yield what must not depend on how much is stored."""
        flat = within(contender(self.exponents[0]), 2)
        at_million = self._at(FLAT_HAS)
        yield self._row("expand one key", Asked.expand, 301, flat, under(100e-6))
        yield self._row("shrink one key", Asked.shrink, 301, flat, under(100e-6))
        shrunk = under(0.1, at_million)
        yield self._row("shrink 1,000 keys", Asked.shrink_many, 15, shrunk)
        yield self._row("load 1,000 calls by name and argument", Asked.template, 15)
        one, two = under(0.005, at_million), under(0.02, at_million)
        name = "first 20 in order, alpha > x"
        yield self._row(name, Asked.range_of_one, 41, one)
        yield self._row(f"{name}, steps <= y", Asked.range_of_two, 41, two)
        yield self._row(f"{name}, y <= steps < z", Asked.narrow_range_of_two, 41, two)
        yield self._row(f"{name}, steps < 0", Asked.empty_range_of_two, 41, two)
        yield self._row(f"{name}, walltime < y", Asked.quick_and_large, 41, two)
        yield self._row("the 20 slowest of a function", Asked.slowest, 41, two)

    def _at(self, exponent: int) -> str:
        return contender(self.nearest(exponent))

    def _row(self, name: str, question: Question, rounds: int, *bounds: Bound) -> Row:
        entries: dict[str, Entry] = {
            contender(exponent): partial(question, asked) for exponent, asked in self.asked.items()
        }
        seconds = dict(contest(entries, rounds=self.settings.rounds(rounds)).seconds)
        largest = contender(self.exponents[-1])
        samples = Samples({OURS: seconds[largest], **seconds})
        return Row(f"{name}, of {largest}", samples, bounds)

    # --- fleche --------------------------------------------------------------------------------

    def beside_fleche(self) -> Iterator[Row]:
        """Yield what fleche does as well, in its own way."""
        if FLECHE in self.settings.skip:
            return
        exponent = self.nearest(FLECHE_HAS)
        asked = self.asked[exponent]
        theirs = Theirs(self.databases.fleche(asked.count), asked.count)
        size = contender(exponent)
        for name, question, entry, factor in (
            ("expand one key", Asked.expand, theirs.expand, 50),
            ("shrink one key", Asked.shrink, theirs.shrink, 1000),
            ("load 1,000 calls by name and argument", Asked.template, theirs.template, 30),
        ):
            entries: dict[str, Entry] = {OURS: partial(question, asked), FLECHE: entry}
            samples = contest(entries, rounds=self.settings.rounds(9), patience_s=20)
            yield Row(f"{name}, of {size}", samples, (times_faster_than(FLECHE, factor),))

    # --- the flat table ------------------------------------------------------------------------

    def beside_flat(self) -> Iterator[Row]:
        """Yield what a flat table answers as well."""
        if FLAT in self.settings.skip:
            return
        exponent = self.nearest(FLAT_HAS)
        asked = self.asked[exponent]
        connection = self.databases.flat(asked.count)
        self.closing.callback(connection.close)
        entries: dict[str, Entry] = {
            OURS: asked.template,
            FLAT: template(connection, asked.count),
        }
        yield self._beside_flat("load 1,000 calls by name and argument", exponent, entries, 5)
        for one in aggregates(asked.cache, synthetic.groups(asked.count)):
            entries = {OURS: one.ask, FLAT: by_hand(connection, one.statement)}
            yield self._beside_flat(one.name, exponent, entries, 3)

    def _beside_flat(
        self, name: str, exponent: int, entries: Mapping[str, Entry], factor: float
    ) -> Row:
        samples = contest(entries, rounds=self.settings.rounds(9), patience_s=20)
        return Row(f"{name}, of {contender(exponent)}", samples, (within(FLAT, factor),))
