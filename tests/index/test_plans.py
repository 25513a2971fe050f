"""What each database says it does to expand and to shrink: it searches, and never scans."""

from __future__ import annotations

import hashlib
from contextlib import closing

import pytest
import sqlalchemy as sa

from fleche_like.database import Database
from fleche_like.hashing import Digest
from fleche_like.index import schema
from fleche_like.index.keys import Keys
from tests.index.databases import DIALECTS, empty

COUNT = 20_000

FILL = {
    "postgresql": "SELECT md5(n::text), 1, 0 FROM generate_series(1, {}) AS s(n)",
    "mariadb": "SELECT md5(seq), 1, 0 FROM seq_1_to_{}",
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {})"
    " SELECT md5(n), 1, 0 FROM s",
}
ANALYZE = {"postgresql": "ANALYZE calls", "mariadb": "ANALYZE TABLE calls", "sqlite": "ANALYZE"}


def key(number):
    return Digest(hashlib.md5(str(number).encode()).hexdigest())


@pytest.fixture(scope="module", params=DIALECTS)
def database(request, tmp_path_factory):
    url = empty(request.param, tmp_path_factory.mktemp("plans"))
    with closing(Database(url)) as database:
        schema.ensure(database)
        fill(database)
        yield database


def fill(database):
    def run(text):
        return database.write(database.prepare(sa.text(text)))

    columns = "(id, name, module, version, code)"
    run(f"INSERT INTO functions {columns} VALUES (1, 'f', '', '', '')")
    quoted = "`key`, `function`" if database.dialect == "mariadb" else '"key", function'
    with database.transaction():
        run("DELETE FROM calls")
        if database.dialect == "sqlite":
            connection = database._units[next(iter(database._units))].connection
            connection.create_function("md5", 1, key)
        select = FILL[database.dialect].format(COUNT)
        run(f"INSERT INTO calls ({quoted}, kind) {select}")
    run(ANALYZE[database.dialect])


def statements(database, act):
    """Return text and parameters of all that an action reads."""
    seen = []
    driver = database.driver

    def noted(original):
        def run(connection, text, params):
            seen.append((text, params))
            return original(connection, text, params)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in ("one", "all"):
            patch.setattr(driver, name, noted(getattr(driver, name)))
        patch.setattr(database, "_one", driver.one)
        act()
    return seen


def scans(database, text, params):
    """Return the steps of a plan that look at every row, or at more than a few."""
    explain = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN "
    connection = database.driver.connect()
    rows = database.driver.all(connection, explain + text, params)
    database.driver.close(connection)
    if database.dialect == "sqlite":
        return [row[3] for row in rows if row[3].startswith("SCAN")]
    if database.dialect == "postgresql":
        steps = [row[0].strip(" ->") for row in rows]
        # Reading a whole index is a scan too: one without a condition that bounds it.
        return [
            step
            for step, below in zip(steps, [*steps[1:], ""], strict=True)
            if " Scan" in step
            and not step.startswith("Bitmap Heap")
            and not below.startswith("Index Cond")
        ]
    # id, select_type, table, type, possible_keys, key, key_len, ref, rows, Extra
    return [row for row in rows if row[3] in {"ALL", "index"} and row[1] != "UNION RESULT"]


ACTS = {
    "contains": lambda keys: keys.contains(key(7)),
    "expand": lambda keys: keys.beginning(key(7)[:9]),
    "expand what nearly all share": lambda keys: keys.beginning(key(7)[:1]),
    "shrink": lambda keys: keys.around([key(7)]),
    "shrink a batch": lambda keys: keys.around([key(number) for number in range(1, 600)]),
}


@pytest.mark.parametrize("act", ACTS)
def test_keys_are_searched(database, act):
    seen = statements(database, lambda: ACTS[act](Keys(database)))
    assert seen
    assert [step for text, params in seen for step in scans(database, text, params)] == []


def test_a_scan_would_be_seen(database):
    text = "SELECT size FROM calls WHERE size > 5"
    if database.dialect == "sqlite":
        text = "SELECT key FROM calls WHERE key LIKE 'abcd%'"
    elif database.dialect == "postgresql":
        text = "SELECT key FROM calls WHERE result IS NULL"
    assert scans(database, text, ()) != []


def test_what_is_searched_is_found(database):
    keys = Keys(database)
    every = sorted(key(number) for number in range(1, COUNT + 1))
    for place in (0, 1, COUNT // 2, COUNT - 1):
        near = every[max(place - 1, 0) : place + 2]
        assert list(keys.around([every[place]])) == near
        short = every[place][:6]
        assert keys.beginning(short) == [each for each in every if each.startswith(short)][:2]
    some = every[::40]
    around = set(keys.around(some))
    assert {each for place in range(0, COUNT, 40) for each in every[place : place + 2]} <= around
