"""Whoever opens a new cache first may die at it, or meet others who do the same."""

from __future__ import annotations

import os
import signal
import sys

import pytest
import sqlalchemy as sa

from fleche_like.config import open_cache
from fleche_like.config.opening import index_of
from fleche_like.database import Database
from fleche_like.index import check
from fleche_like.index.models import REVISION
from fleche_like.index.schema import ensure, revision
from fleche_like.testing.faults import Fails, Fault, Faults, inject
from fleche_like.testing.places import fork
from tests.index.databases import DIALECTS, empty


def opened_until_killed(url, statement):
    """Open a cache in a child that dies after the so-many-th changing statement; whether it did."""
    process = fork()
    if process:
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert status in {0, -signal.SIGKILL}
        return status != 0
    signal.alarm(60)
    count = 0

    def executed(connection, cursor, text, *_):
        nonlocal count
        count += text.split()[0].upper() in {"CREATE", "ALTER", "INSERT", "UPDATE", "DROP"}
        if count == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sa.event.listen(sa.Engine, "after_cursor_execute", executed)
        open_cache(url).close()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("statement", [12, 27])
def test_a_cache_whose_first_opening_died_is_opened_by_the_next_one(tmp_path, dialect, statement):
    url = empty(dialect, tmp_path)
    target = str(tmp_path) if dialect == "sqlite" else url
    opened_until_killed(target, statement)
    with open_cache(target) as cache:
        assert check(index_of(target)) == []
        assert cache.stats().calls == 0


def test_a_version_that_appears_while_we_look_is_read(tmp_path):
    """The table was missing when it was asked for, and there when that was looked into."""
    database = Database(tmp_path / "index.db")
    ensure(database)
    inject(database, Faults(Fault(Fails(), keys="*fleche_like_version*")))
    assert revision(database) == REVISION
    database.close()
