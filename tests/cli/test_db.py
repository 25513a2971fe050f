"""``db`` and ``reindex``: the same as the Python functions and as Alembic's own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fleche_like.cli import main
from fleche_like.index import check, current, schema
from fleche_like.index.models import REVISION
from tests.golden import index as golden
from tests.project.paths import ROOT


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/index.db"
    golden.load("sqlite", "0001", url)
    return url


@pytest.fixture
def db(url, capsys):
    def run(*words, verb="db"):
        code = main(["--cache", url, verb, *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_up_down_and_up_again(db, url):
    assert db("current")[1] == f"0001 (the newest is {REVISION})\n"
    code, out, err = db("upgrade", "0002")
    assert (code, out) == (0, "upgraded from 0001 to 0002\n")
    assert "0001 -> 0002" in err
    assert f"of {len(golden.calls())} calls" in err
    assert db("upgrade")[1] == f"upgraded from 0002 to {REVISION}\n"
    assert db("downgrade", "0001")[1] == f"downgraded from {REVISION} to 0001\n"
    assert json.loads(db("upgrade", "--json")[1])["after"] == REVISION == current(url)
    assert db("upgrade") == (0, f"{REVISION}: nothing to do\n", "")


def test_check_names_what_differs(db):
    code, out, _ = db("check")
    assert code == 1
    assert "calls" in out
    assert "record" in out
    assert json.loads(db("check", "--json")[1])["differences"]
    db("upgrade")
    assert db("check") == (0, "the tables are as this release needs them\n", "")


def test_a_stamp_only_says_so(db, url):
    assert db("stamp", "0003")[1] == "stamped from 0001 to 0003\n"
    assert check(url) != []


@pytest.mark.parametrize("action", ["downgrade", "stamp"])
def test_where_to_has_to_be_said(db, action):
    code, _, err = db(action)
    assert code == 2
    assert all(revision in err for revision in schema.KNOWN)


def test_an_unknown_revision_is_wrong_usage(db, capsys):
    with pytest.raises(SystemExit, match="2"):
        db("upgrade", "12345")
    assert "'12345' is none of base, 0001" in capsys.readouterr().err


def test_reindex_says_what_it_did(db):
    db("upgrade")
    count = len(golden.calls())
    code, out, _ = db(verb="reindex")
    assert code == 0
    assert out.startswith(f"{count} calls indexed again, 0 records")
    assert json.loads(db("--json", verb="reindex")[1]) == {
        "derived": count,
        "adopted": 0,
        "lost": 0,
    }


def alembic(url, *words):
    command = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "-x", f"url={url}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, *words], env=environment, capture_output=True, text=True, check=False
    )


def test_alembic_goes_the_same_way(url, tmp_path):
    assert alembic(url, "upgrade", "head").returncode == 0
    assert (tmp_path / "index.db.0001.backup").exists()
    assert check(url) == []
    assert alembic(url, "downgrade", "0002").returncode == 0
    assert current(url) == "0002"
    assert alembic(url, "stamp", "9999").returncode != 0
    assert "0002" in alembic(url, "current").stdout


def test_alembic_writes_the_statements_of_an_upgrade(url):
    done = alembic(url, "upgrade", "head", "--sql")
    assert done.returncode == 0, done.stderr
    assert "UPDATE calls SET record=" in done.stdout
