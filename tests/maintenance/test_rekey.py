"""Changed keys: hits go on after a harmless change, nothing is lost, and all can be undone."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.errors import ArchiveError, ConfigError, ReadOnlyError
from fleche_like.maintenance import AcceptCode, AddArgument, Rename, rekey, undo_rekey
from fleche_like.maintenance import journal as journals
from tests.maintenance.caches import KINDS, call, fill, held, open_kind

module = __import__("sys").modules[rekey.__module__]


@pytest.fixture(params=KINDS)
def cache(request, tmp_path):
    with open_kind(request.param, tmp_path / "cache") as cache:
        yield cache


@pytest.fixture
def embedded(tmp_path):
    with open_kind("embedded", tmp_path / "cache") as cache:
        yield cache


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.jsonl"


def results(cache):
    return sorted(map(repr, (cache.lookup(each.key) for each in cache.query())))


def test_a_renamed_function_hits(embedded):
    runs = []

    def old(x):
        runs.append(x)
        return [x]

    def new(x):
        runs.append(x)
        return [x]

    before = fl.memoize(cache=embedded, code="none")(old)
    after = fl.memoize(cache=embedded, code="none")(new)
    for number in range(5):
        before(number)
    names = [call.name for call in (before.call(1), after.call(1))]
    done = rekey(embedded, Rename(names[0], names[1]))
    assert (done.changed, done.kept) == (5, 0)
    assert [after(number) for number in range(5)] == [[number] for number in range(5)]
    assert runs == [0, 1, 2, 3, 4]


def test_a_renamed_module_takes_all_its_functions_along(cache, journal):
    fill(cache, range(4))
    cache.save(fl.Call("other", {"x": 1}, module="elsewhere", result=1))
    before = results(cache)
    rekey(cache, Rename(module="lab", to_module="workshop"), journal=journal)
    found = {(each.module, each.name) for each in cache.query()}
    assert found == {("workshop", "lab.work"), ("elsewhere", "other")}
    assert results(cache) == before


def test_a_function_with_a_new_argument_hits(embedded):
    runs = []

    def fit(data, rate):
        runs.append(1)
        return float(data.sum()) * rate

    first = fl.memoize(cache=embedded, code="none")(fit)
    first(np.arange(5), 2.0)
    name = first.call(np.arange(5), 2.0).name

    def later(data, weights=None, rate=1.0, *, solver="lu"):
        runs.append(1)

    later.__qualname__ = fit.__qualname__
    second = fl.memoize(cache=embedded, code="none")(later)
    rekey(embedded, AddArgument(name, "weights", None, before="rate"))
    rekey(embedded, AddArgument(name, "solver", "lu"))
    assert second(np.arange(5), rate=2.0) == 20.0
    assert runs == [1]
    assert embedded.query().where(fl.arg("solver") == "lu").count() == 1


def test_the_value_of_a_new_argument_is_stored(cache, journal):
    fill(cache, [1])
    rekey(cache, AddArgument("lab.work", "options", {"deep": [1, 2]}), journal=journal)
    (only,) = cache.query()
    assert only.arguments["options"] == {"deep": [1, 2]}


def test_accepted_code_hits(embedded):
    def make(text):
        space: dict[str, Any] = {}
        exec(text, space)
        return fl.memoize(cache=embedded)(space["work"])

    old = make("def work(x):\n    return x + x\n")
    new = make("def work(x):\n    return 2 * x\n")
    old(3)
    codes = old.call(3).code, new.call(3).code
    assert codes[0] != codes[1]
    assert not new.contains(3)
    rekey(embedded, AcceptCode(*codes))
    assert new.load(3) == 6


def test_only_what_is_selected_is_changed(cache, journal):
    fill(cache, range(6))
    chosen = cache.query().where(fl.arg("number") > 3)
    assert rekey(cache, Rename("lab.work", "new"), query=chosen, journal=journal).changed == 2
    assert cache.query(name="new").count() == 2


def test_another_result_under_the_new_key_stays(cache, journal):
    fill(cache, range(3))
    taken = fl.Call("new", call(1).arguments, module="lab", result="mine")
    same = fl.Call("new", call(2).arguments, module="lab", result={"number": 2})
    cache.save(taken)
    cache.save(same)
    done = rekey(cache, Rename("lab.work", "new"), journal=journal)
    assert (done.changed, done.merged, done.kept) == (1, 1, 1)
    assert cache.lookup(taken.key) == "mine"
    assert cache.lookup(call(1).key) == {"number": 1}
    undo_rekey(cache, journal)
    assert cache.contains(same.key)
    assert cache.contains(call(2).key)


def test_a_second_run_changes_nothing(cache, journal):
    fill(cache, range(3))
    rekey(cache, Rename("lab.work", "new"), journal=journal)
    before = held(cache)
    assert rekey(cache, Rename("lab.work", "new"), journal=journal).changed == 0
    assert held(cache) == before


@pytest.mark.parametrize(
    "change",
    [
        Rename("lab.work", "new", "lab", "elsewhere"),
        AddArgument("lab.work", "more", [1.5], before="items"),
    ],
)
def test_all_is_undone(change, cache, journal):
    fill(cache, range(7))
    before = held(cache)
    rekey(cache, change, journal=journal)
    assert not held(cache).keys() & before.keys()
    assert undo_rekey(cache, journal, dry_run=True).changed == 7
    assert undo_rekey(cache, journal).changed == 7
    assert held(cache) == before
    assert undo_rekey(cache, journal).changed == 0


def test_undoing_leaves_what_was_computed_since(cache, journal):
    fill(cache, range(3))
    rekey(cache, Rename("lab.work", "new"), journal=journal)
    newer = fl.Call("new", call(1).arguments, module="lab", result="newer")
    cache.save(newer)
    cache.evict(fl.Call("new", call(2).arguments, module="lab").key)
    done = undo_rekey(cache, journal)
    assert (done.changed, done.kept) == (1, 1)
    assert cache.lookup(newer.key) == "newer"
    assert {each.name for each in cache.query(arguments={"number": 0})} == {"lab.work"}
    assert not cache.contains(call(2).key)


def test_sizes_and_last_use_are_kept(embedded):
    made = call(1).digested()
    embedded.values.save({"number": 1})
    embedded.calls.save_many([made], {made.key: (77, 1_000_000)})
    rekey(embedded, Rename("lab.work", "new"))
    (key,) = [each.key for each in embedded.query(name="new")]
    assert embedded.calls.usages([key]) == {key: (77, 1_000_000)}


def test_a_dry_run_changes_nothing(cache):
    fill(cache, range(3))
    before = held(cache)
    done = rekey(cache, Rename("lab.work", "new"), dry_run=True)
    assert (done.changed, done.journal) == (3, None)
    assert held(cache) == before


def test_an_embedded_cache_keeps_its_journals(embedded):
    fill(embedded, range(2))
    done = rekey(embedded, Rename("lab.work", "new"))
    assert done.journal is not None
    written = Path(done.journal)
    assert written.parent == embedded.folder / "journals"
    assert written.stat().st_mode & 0o777 == 0o600
    assert undo_rekey(embedded, done.journal).changed == 2


def test_what_makes_no_sense_is_refused(embedded, tmp_path, journal):
    with open_kind("memory", tmp_path) as memory, pytest.raises(ConfigError, match="journal"):
        rekey(memory, Rename("a", "b"))
    for wrong in ({}, {"name": "a"}, {"to": "b"}, {"name": "a", "to": "a"}):
        with pytest.raises(ConfigError):
            Rename(**wrong)
    with pytest.raises(KeyError):
        AcceptCode("3f9a", "3f9a" * 8)
    fill(embedded, [1])
    with pytest.raises(ConfigError, match="before"):
        rekey(embedded, AddArgument("lab.work", "more", 1, before="nothing"))
    rekey(embedded, Rename("lab.work", "new"), journal=journal)
    with pytest.raises(ArchiveError, match="another change"):
        rekey(embedded, Rename("new", "newer"), journal=journal)
    journal.write_text("nonsense")
    with pytest.raises(ArchiveError, match="no journal"):
        undo_rekey(embedded, journal)
    with fl.open_cache(tmp_path / "cache" / "embedded", read_only=True) as locked:
        with pytest.raises(ReadOnlyError):
            rekey(locked, Rename("new", "newer"))
        with pytest.raises(ReadOnlyError):
            undo_rekey(locked, journal)


def test_a_line_that_is_cut_short_or_altered_restores_nothing(embedded, journal):
    fill(embedded, range(4))
    rekey(embedded, Rename("lab.work", "new"), journal=journal)
    lines = [line for line in journal.read_text().splitlines() if line]
    told = json.loads(lines[2])
    lines[1] = lines[1][: len(lines[1]) // 2]
    lines[2] = json.dumps({**told, "old": "0" * 32})
    journal.write_text("\n".join(lines) + "\n")
    assert undo_rekey(embedded, journal).changed == 2
    assert not embedded.contains("0" * 32)


def killed(folder, delay_s):
    process = os.fork()
    if not process:
        try:
            signal.alarm(100)
            module.BATCH = 2
            with open_kind("embedded", folder) as cache:
                (folder / "begun").touch()
                rekey(cache, Rename("lab.work", "new"))
        finally:
            os._exit(1)
    while not (folder / "begun").exists():
        time.sleep(0.001)
    time.sleep(delay_s)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    (folder / "begun").unlink()


@pytest.mark.parametrize("seed", range(2))
def test_a_kill_at_any_moment_loses_nothing(seed, tmp_path):
    with open_kind("embedded", tmp_path) as cache:
        fill(cache, range(30))
        before, expected = held(cache), results(cache)
    chance = random.Random(seed)
    for _ in range(3):
        killed(tmp_path, chance.uniform(0, 0.03))
        with open_kind("embedded", tmp_path) as cache:
            assert results(cache) == expected
    with open_kind("embedded", tmp_path) as cache:
        done = rekey(cache, Rename("lab.work", "new"))
        assert {each.name for each in cache.query()} == {"new"}
        assert results(cache) == expected
        assert done.journal is not None
        undo_rekey(cache, done.journal)
        assert held(cache) == before


def test_a_journal_is_written_before_anything_changes(embedded, journal, monkeypatch):
    fill(embedded, range(3))
    before = held(embedded)

    def full(self, lines):
        raise OSError("the disk is full")

    monkeypatch.setattr(journals.Journal, "add", full)
    with pytest.raises(OSError, match="full"):
        rekey(embedded, Rename("lab.work", "new"), journal=journal)
    assert held(embedded) == before
