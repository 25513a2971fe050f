"""A disk that is really full: it costs the caching, and breaks nothing."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import warnings

import pytest

import fleche_like as fl
from fleche_like.database import Prepared
from fleche_like.testing.crashes import EmbeddedPlace, work
from fleche_like.testing.crashes.oracle import inspect
from fleche_like.testing.crashes.writer import Entry, Journal
from fleche_like.testing.places import fork

NUMBERS = range(100, 112)


def ask(journal):
    """Ask for everything; take note of what was stored, which is then no longer in doubt."""
    for n in NUMBERS:
        for name, function in work.FUNCTIONS.items():
            before = function.stats().uncached
            assert work.is_expected(work.ask(name, n), name, n)
            if function.stats().uncached == before:
                journal.note(Entry("stored", name, n))


def uncached():
    return sum(function.stats().uncached for function in work.FUNCTIONS.values())


@contextlib.contextmanager
def files_no_larger_than(size_bytes):
    """Let no file of this process grow beyond a size: the kernel refuses, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def in_child(action):
    process = fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        action()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "journals").mkdir()
    return EmbeddedPlace(tmp_path / "cache")


def everything_is_stored(place, journals):
    """In a process that comes fresh and has room: nothing is broken, and all can be stored."""
    found = inspect(place, journals)
    assert found[1:] == ((), (), (), ())
    with place.open() as cache, fl.use_cache(cache):
        for n in NUMBERS:
            for name, function in work.FUNCTIONS.items():
                assert work.is_expected(work.ask(name, n), name, n)
                assert function.contains(*work.arguments(name, n))


@pytest.mark.parametrize("kib", [8, 100, 260, 700])
def test_files_that_cannot_grow_cost_the_caching(tmp_path, place, kib):
    journals = tmp_path / "journals"

    def work_without_room():
        warnings.simplefilter("ignore", fl.NotCachedWarning)
        cache = place.open()
        with fl.use_cache(cache):
            journal = Journal(journals / "0")
            with files_no_larger_than(kib * 1024):
                ask(journal)
            ask(journal)  # the very same process goes on as soon as there is room
        cache.close()

    assert in_child(work_without_room) == 0
    everything_is_stored(place, journals)


@pytest.mark.parametrize("pages", [0, 10, 40])
def test_a_database_that_cannot_grow_costs_the_caching(tmp_path, place, pages):
    """SQLite itself says that there is no room, in the middle of whatever transaction."""
    journals, journal = tmp_path / "journals", Journal(tmp_path / "journals" / "0")
    with place.open() as cache, fl.use_cache(cache):
        database = cache.calls.database
        ((size,),) = database.read(Prepared("PRAGMA page_count"))
        database.read(Prepared(f"PRAGMA max_page_count = {size + pages}"))
        before = uncached()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fl.NotCachedWarning)
            ask(journal)
        assert uncached() > before
        database.read(Prepared("PRAGMA max_page_count = 1000000"))
        ask(journal)
    everything_is_stored(place, journals)


@pytest.mark.parametrize("kib", [0, 4, 40])
def test_a_cache_that_cannot_be_made_says_so_and_is_made_later(place, kib):
    with files_no_larger_than(kib * 1024), pytest.raises(OSError, match=r"index\.db"):
        place.open()
    with place.open() as cache:
        assert cache.stats().calls == 0
