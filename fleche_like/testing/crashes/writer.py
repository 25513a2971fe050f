"""A process that writes until it is killed, and keeps a journal of what it was told is stored."""

from __future__ import annotations

import contextlib
import os
import random
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import fleche_like as fl
from fleche_like.testing.crashes import work
from fleche_like.testing.crashes.places import Place

Chore: TypeAlias = Callable[[Place], object]
"""Something to do with a cache, from the beginning to the end. Picklable."""

ERRORS: Final = "errors"
"""The file among the journals that failures go to."""


class Entry(NamedTuple):
    """A line of a journal.

    Attributes:
        what: ``begin``: it may or may not be stored from here on; ``stored``; ``evict``: it may or
            may not be gone; ``open``, when the cache is.
        name: of the function.
        n: the number that it was asked for.
    """

    what: str
    name: str = ""
    n: int = 0


class Journal:
    """A file of entries that one process adds to: what was written survives its death.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)

    def note(self, entry: Entry) -> None:
        """Add an entry."""
        os.write(self._descriptor, f"{entry.what} {entry.name} {entry.n}\n".encode())

    @staticmethod
    def read(path: Path) -> Iterator[Entry]:
        """Yield the entries of a file."""
        for line in path.read_text().splitlines():
            what, name, n = line.split(" ")
            yield Entry(what, name, int(n))


def write_until_killed(place: Place, journals: Path, number: int, seed: int) -> None:
    """Compute, store, replace, evict and query, for ever; a failure goes into a file.

    Args:
        place: of the cache.
        journals: the folder for the journal.
        number: of this writer; no other one ever has the same, so that its calls are its own.
        seed: of what it does.
    """
    with _telling(journals, number):
        _write(place, Journal(journals / f"{number}"), number, random.Random(seed))


def repeat_until_killed(place: Place, journals: Path, number: int, chore: Chore) -> None:
    """Do a chore over and over; a failure goes into a file.

    Args:
        place: of the cache.
        journals: the folder for the journal.
        number: of this process.
        chore: what to do.
    """
    with _telling(journals, number):
        Journal(journals / f"{number}").note(Entry("open"))
        while True:
            chore(place)


@contextlib.contextmanager
def _telling(journals: Path, number: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with (journals / ERRORS).open("a") as file:
            file.write(f"process {number}: {traceback.format_exc()}\n")
        raise


def _write(place: Place, journal: Journal, number: int, chance: random.Random) -> None:
    fl.set_cache(place.open())
    journal.note(Entry("open"))
    own: list[tuple[str, int]] = []
    first = work.SHARED + number * 1_000_000
    while True:
        name = chance.choice([*work.FUNCTIONS])
        act = chance.random()
        if act < 0.6:
            own.append((name, first + len(own)))
            _ask(journal, *own[-1])
        elif act < 0.8:
            _share(name, chance.randrange(work.SHARED), evict=act > 0.75)
        elif own and act < 0.9:
            again = own.pop(chance.randrange(len(own)))
            journal.note(Entry("evict", *again))
            _evict(*again)
        elif own and act < 0.97:
            _rerun(*chance.choice(own))
        else:
            _query(name)


def _ask(journal: Journal, name: str, n: int) -> None:
    journal.note(Entry("begin", name, n))
    uncached = _uncached(name)
    result = work.ask(name, n)
    assert work.is_expected(result, name, n), f"{name}({n}) gave {result!r}"
    assert _uncached(name) == uncached, f"{name}({n}) was not stored"
    journal.note(Entry("stored", name, n))


def _share(name: str, n: int, *, evict: bool) -> None:
    if evict:
        _evict(name, n)
        return
    result = work.ask(name, n)
    assert work.is_expected(result, name, n), f"{name}({n}) gave {result!r}"


def _evict(name: str, n: int) -> None:
    work.FUNCTIONS[name].evict(*work.arguments(name, n))


def _rerun(name: str, n: int) -> None:
    try:
        work.FUNCTIONS[name].rerun(*work.arguments(name, n))
    except ValueError:
        assert name == "failing"


def _query(name: str) -> None:
    query = work.FUNCTIONS[name].query().where(fl.arg("n") < work.SHARED)
    for call in query:
        assert call.arguments["n"] < work.SHARED


def _uncached(name: str) -> int:
    return int(work.FUNCTIONS[name].stats().uncached)
