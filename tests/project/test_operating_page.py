"""What docs/operating.md says is run: Python and commands in one project, SQL on a server."""

from __future__ import annotations

import re
import sys

import pytest

import fleche_like as fl
from fleche_like.errors import DatabaseError, ReadOnlyError
from tests import servers
from tests.project.paths import ROOT
from tests.project.test_readme import blocks, run

PAGE = (ROOT / "docs" / "operating.md").read_text()
BLOCKS = blocks(PAGE)
COMMANDS = [
    line.removeprefix("$ ")
    for block in BLOCKS
    if block.language == "console"
    for line in block.text.splitlines()
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the cache and the backup that the page's first script makes."""
    folder = tmp_path_factory.mktemp("operating")
    (folder / "pyproject.toml").touch()
    for block in BLOCKS:
        if block.language == "python":
            (folder / block.file).write_text(block.text)
            run([sys.executable, "-W", "error", block.file], folder)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works(project, command):
    run(["bash", "-c", command], project)


def test_commands_were_found():
    assert len(COMMANDS) > 10


@pytest.fixture
def roles():
    """The roles and the database of the page, on a server that has neither."""
    names = ["fleche_owner", "fleche_user", "fleche_reader"]
    drop = ["DROP DATABASE IF EXISTS fleche", *(f"DROP ROLE IF EXISTS {name}" for name in names)]
    _run_sql(servers.POSTGRESQL, ";\n".join(drop))
    first, second = (block.text for block in BLOCKS if block.language == "sql")
    _run_sql(servers.POSTGRESQL, first)
    _run_sql(_as("postgres"), second)
    yield
    _run_sql(servers.POSTGRESQL, ";\n".join(drop))


@servers.needs_postgresql
@pytest.mark.usefixtures("roles")
def test_the_roles_may_do_what_they_are_for(tmp_path):

    with pytest.raises((DatabaseError, ReadOnlyError)):
        fl.open_cache(_as("fleche_user"))  # who may not make the tables
    run(
        [sys.executable, "-m", "fleche_like", "--cache", _as("fleche_owner"), "db", "upgrade"],
        tmp_path,
    )

    values = tmp_path / "values"
    with fl.open_cache(_as("fleche_user"), values=values) as cache:

        @fl.memoize(cache=cache, code="none")
        def double(n):
            return [n, n]

        assert [double(1), double.rerun(1), double(2)] == [[1, 1], [1, 1], [2, 2]]
        double.evict(2)
        assert (double.stats().uncached, double.query().count()) == (0, 1)
    with fl.open_cache(_as("fleche_reader"), values=values, read_only=True) as cache:
        assert cache.lookup(double.key(1)) == [1, 1]
        assert (
            cache.query(name="test_the_roles_may_do_what_they_are_for.<locals>.double").count() == 1
        )


def _as(role):
    return servers.POSTGRESQL.replace("postgres@/postgres", f"{role}@/fleche")


def _run_sql(url, text):
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in re.sub("^--.*", "", text, flags=re.MULTILINE).split(";\n"):
            if statement.strip():
                connection.execute(statement)
