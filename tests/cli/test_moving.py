"""The verbs that move calls, as scripts use them."""

from __future__ import annotations

import json

import diskcache
import pytest

from fleche_like.config import open_cache
from tests.cli.conftest import simulate


def told(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def calls_in(folder):
    with open_cache(folder, read_only=True) as cache:
        return {call.key for call in cache.query()}


def test_transfer_copies_and_pops_a_selection(look, folder):
    words = ("transfer", "other", "simulate", "--where", "alpha > 0.6", "--json")
    assert told(look(*words, "--dry-run"))["copied"] == 3
    assert not (folder / "other").exists()
    before = calls_in("results")
    assert told(look(*words))["copied"] == 3
    done = told(look(*words, "--pop"))
    assert (done["present"], done["popped"]) == (3, 3)
    assert len(calls_in("results")) == 8
    assert calls_in("results") | calls_in("other") == before


def test_transfer_overwrites_when_told_to(look, folder):
    with open_cache("other") as other:
        call = simulate(3)
        call.result = "other"
        other.save(call)
    assert told(look("transfer", "other", "--json"))["kept"] == 1
    assert told(look("transfer", "other", "--overwrite", "--json"))["replaced"] == 1


def test_transfer_says_what_it_did_in_words(look):
    done = look("transfer", "other")
    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["copied", "11"]
    assert "nothing was changed" in look("transfer", "third", "--dry-run").out


def test_sync_goes_both_ways(look, folder):
    with open_cache("other") as other:
        other.save(simulate(77))
    assert told(look("sync", "other", "--dry-run", "--json"))["to_first"]["copied"] == 1
    done = told(look("sync", "other", "--json"))
    assert (done["to_second"]["copied"], done["to_first"]["copied"]) == (11, 1)
    assert calls_in("results") == calls_in("other")


def test_export_and_import(look, run, folder):
    assert told(look("export", "a.fla", "simulate", "--json"))["calls"] == 10
    assert told(run("--cache", "new", "import", "a.fla", "--dry-run", "--json"))["calls"] == 10
    assert not (folder / "new").exists()
    assert told(run("--cache", "new", "import", "a.fla", "--json"))["calls"] == 10
    assert calls_in("new") < calls_in("results")


def test_a_damaged_archive_is_no_defect_of_ours(look, run, folder):
    look("export", "a.fla")
    data = (folder / "a.fla").read_bytes()
    (folder / "a.fla").write_bytes(data[:-3])
    done = run("--cache", "new", "import", "a.fla")
    assert done.code == 3
    assert "cut short" in done.err
    assert "Traceback" not in done.err
    assert run("--cache", "new", "import", "nowhere.fla").code == 3


def test_rekey_and_undo(look, folder):
    before = calls_in("results")
    words = ("rekey", "--name", "simulate", "--to", "flow", "--json")
    assert told(look(*words, "--dry-run"))["changed"] == 10
    assert calls_in("results") == before
    done = told(look(*words))
    assert done["changed"] == 10
    assert len(calls_in("results") & before) == 1
    assert told(look("rekey", "--undo", done["journal"], "--json"))["changed"] == 10
    assert calls_in("results") == before


def test_rekey_adds_arguments_and_accepts_code(look, results):
    added = ("--add", "solver=lu", "--before", "steps")
    assert told(look("rekey", "--name", "simulate", *added, "--json"))["changed"] == 10
    assert list(results.query(name="simulate").first().arguments) == ["alpha", "solver", "steps"]
    assert look("rekey", "--code", "a" * 32, "--accept", "b" * 32).code == 0
    assert look("rekey", "--code", "aaaa", "--accept", "b" * 32).code == 2


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--name", "simulate"),
        ("--name", "a", "--to", "b", "--add", "c=1"),
        ("--add", "c=1"),
        ("--accept", "b" * 32),
    ],
)
def test_rekey_wants_one_change(words, look):
    assert look("rekey", *words).code == 2


def test_a_folder_of_another_package_is_imported(look, folder, monkeypatch):
    (folder / "theirs.py").write_text(
        "import fleche_like as fl\n\n\n@fl.memoize\ndef work(x):\n    return x\n"
    )
    with diskcache.Cache(str(folder / "old")) as old:
        old[("theirs.work", 5, None)] = "result"
    monkeypatch.syspath_prepend(str(folder))
    words = ("import", "old", "--from", "diskcache", "--function", "theirs:work", "--json")
    refused = look(*words)
    assert refused.code == 3
    assert "trust" in refused.err
    assert told(look(*words, "--trust", "full"))["imported"] == 1
    assert look(*words[:4]).code == 2
    assert look(*words[:5], "theirs:nothing", "--trust", "full").code == 3
    assert look("import", "old", "--function", "theirs:work").code == 2
