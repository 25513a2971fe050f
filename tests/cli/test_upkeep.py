"""evict, gc and verify on the command line."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

from fleche_like.config import open_cache
from fleche_like.storage.layout import path


def evicted_values(folder):
    """Leave values behind that nothing uses."""
    with open_cache(folder / "results") as cache:
        keys = [call.key for call in cache.query(name="simulate")]
        for key in keys[:4]:
            cache.evict(key)


# --- evict ---------------------------------------------------------------------------------------


def test_calls_are_evicted_by_short_keys(look, results):
    keys = [call.key for call in results.query(name="simulate").order_by("alpha").limit(2)]
    done = look("evict", *(key[:12] for key in keys))
    assert done.code == 0
    assert "2 calls evicted" in done.out
    assert not any(map(results.contains, keys))
    assert results.query().count() == 9


def test_calls_are_evicted_by_conditions(look, results):
    done = look("evict", "--name", "simulate", "--where", "alpha >= 0.5", "--arg", "steps=100")
    assert done.code == 0
    left = [call.arguments["alpha"] for call in results.query(name="simulate").order_by("alpha")]
    assert left == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9]


def test_all_calls_are_evicted_if_that_is_said(look, results):
    assert json.loads(look("evict", "--all", "--json").out)["calls"] == 11
    assert results.query().count() == 0


def test_a_dry_run_lists_and_evicts_nothing(look, results):
    done = look("evict", "--where", "alpha < 0.2", "--dry-run")
    assert "alpha=0.1" in done.out
    assert "2 calls would be evicted" in done.out
    assert results.query().count() == 11


def test_values_go_with_the_calls_that_alone_used_them(look, results):
    data = results.query(name="Model.fit").one().digested.arguments["data"]
    shown = json.loads(look("evict", "--name", "Model.fit", "--values", "--json").out)
    assert (shown["calls"], shown["values"]) == (1, 2)
    assert not results.values.contains(data)
    assert results.query().count() == 10


def test_nothing_is_evicted_if_a_key_is_not_there(look, results):
    key = results.query().limit(1).one().key
    assert look("evict", key[:12], "0" * 32).code == 1
    assert look("evict", key[:12], "0000").code == 1
    assert results.contains(key)


@pytest.mark.parametrize(
    "words",
    [(), ("abcd", "--all"), ("abcd", "--name", "f"), ("--all", "--where", "a > 1"), ("nothex",)],
    ids=" ".join,
)
def test_calls_have_to_be_named_in_one_way(look, results, words):
    assert look("evict", *words).code == 2
    assert results.query().count() == 11


def test_no_match_is_exit_code_1(look):
    assert look("evict", "--name", "nobody").code == 1


class Terminal:
    def __init__(self, stream, answer):
        self.stream, self.answer = stream, answer

    def isatty(self):
        return True

    def readline(self):
        return self.answer

    def __getattr__(self, name):
        return getattr(self.stream, name)


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 11), ("", 11)])
def test_many_are_evicted_on_a_terminal_after_a_yes_only(look, results, monkeypatch, answer, left):
    import sys

    monkeypatch.setattr(sys, "stdin", Terminal(sys.stdin, answer))
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr, ""))
    look("evict", "--all")
    assert results.query().count() == left


# --- gc ------------------------------------------------------------------------------------------


def test_unused_values_go(look, folder, results):
    evicted_values(folder)
    before = set(results.values.list())
    shown = json.loads(look("gc", "--grace", "0", "--dry-run", "--json").out)
    assert shown["values"] == 4
    assert set(results.values.list()) == before
    assert "4 removed" in look("gc", "--grace", "0").out
    assert len(set(results.values.list())) == len(before) - 4
    assert json.loads(look("gc", "--grace", "0", "--json").out)["values"] == 0


def test_the_grace_is_a_day_unless_said_otherwise(look, folder):
    evicted_values(folder)
    shown = json.loads(look("gc", "--json").out)
    assert (shown["values"], shown["young"]) == (0, 4)
    assert json.loads(look("gc", "--grace", "2h", "--json").out)["values"] == 0


@pytest.mark.parametrize("text", ["", "x", "1w", "h", "nan", "1e400"])
def test_a_time_that_is_none_is_wrong_usage(look, text):
    assert look("gc", "--grace", text).code == 2


def test_a_damaged_record_is_told_by_gc(look, folder):
    beside = sqlite3.connect(folder / "results" / "index.db")
    beside.execute("UPDATE calls SET record = x'00' WHERE id = 1")
    beside.commit()
    beside.close()
    done = look("gc", "--grace", "0")
    assert done.code == 5
    assert "verify" in done.err


# --- verify --------------------------------------------------------------------------------------


def test_exit_codes_tell_sound_damaged_and_mended(look, folder, results):
    done = look("verify")
    assert (done.code, "none" in done.out) == (0, True)
    shutil.copytree(folder / "results", folder / "copy")
    digest = results.query(name="Model.fit").one().digested.result
    where = path("values/", digest)
    results.values.backend.put_bytes(where, b"spoiled")
    done = look("verify")
    assert done.code == 5
    assert digest in done.out
    assert results.values.backend.get_bytes(where) == b"spoiled"
    assert look("verify", "--repair", "copy").code == 6
    assert look("verify").code == 0
    results.values.backend.put_bytes(where, b"spoiled")
    shown = json.loads(look("verify", "--repair", "quarantine", "--json").out)
    assert (shown["left"], shown["quarantined"]) == (0, 2)
    assert look("verify", "--resume").code == 0


def test_a_repair_from_nowhere_is_refused(look):
    done = look("verify", "--repair", "nowhere")
    assert done.code == 3
    assert "nowhere" in done.err


@pytest.mark.parametrize("words", [("gc",), ("verify",), ("evict", "--all")], ids=" ".join)
def test_a_cache_that_is_not_there_is_not_made(run, folder, words):
    assert run("--cache", "nowhere", *words).code == 3
    assert not (folder / "nowhere").exists()
