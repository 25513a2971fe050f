"""Importers of real folders: what comes along hits, the rest is counted by reason."""

from __future__ import annotations

import contextlib
import os
import pickle
import sqlite3
import time
from typing import Any

import diskcache
import joblib
import numpy as np
import pytest

import fleche_like as fl
from fleche_like.errors import CacheNotFound, ConfigError, ReadOnlyError
from fleche_like.maintenance import import_diskcache, import_fleche, import_joblib
from tests.maintenance import foreign
from tests.maintenance.caches import open_kind

fleche = pytest.importorskip("fleche", reason="the package fleche is not installed")

CALLS = [((1,), {}), ((1.5, "a"), {"mode": None}), ((1, 2, 3, 4), {"mode": "m", "z": 5})]


@pytest.fixture
def cache(tmp_path):
    with open_kind("embedded", tmp_path / "ours") as cache:
        yield cache


def memoized(cache, function, **options):
    """Memoize with a body that must not run."""
    return fl.memoize(cache=cache, **options)(function)


def hits(function, calls):
    """Return the results of calls that are stored, and of none that is not."""
    return [
        function.load(*args, **kwargs)
        for args, kwargs in calls
        if function.contains(*args, **kwargs)
    ]


# --- joblib -------------------------------------------------------------------------------------


@pytest.fixture
def memory(tmp_path):
    forget_sources()
    return joblib.Memory(str(tmp_path / "joblib"), verbose=0)


def forget_sources():
    # Within a process joblib writes the source of a function to one folder only.
    joblib.memory._FUNCTION_HASHES.clear()


def fill(function, calls=CALLS):
    return [function(*args, **kwargs) for args, kwargs in calls]


def test_calls_of_joblib_with_literal_arguments_hit(cache, memory, tmp_path):
    expected = fill(memory.cache(foreign.scaled))
    ours = memoized(cache, foreign.scaled)
    done = import_joblib(cache, tmp_path / "joblib", [ours], trust="full")
    assert (done.imported, done.skipped) == (3, {})
    assert hits(ours, CALLS) == expected
    (first,) = cache.query(arguments={"x": 1, "mode": "m"})
    assert first.metadata["imported"] == {"from": "joblib"}
    assert first.metadata["runtime"]["walltime"] >= 0
    assert first.metadata["runtime"]["started"].year >= 2024


def test_arguments_that_joblib_does_not_keep_are_named_or_skipped(cache, memory, tmp_path):
    data = [np.arange(5), np.arange(6)]
    theirs = memory.cache(foreign.summed)
    for each in data:
        theirs(each)
    ours = memoized(cache, foreign.summed)
    done = import_joblib(cache, tmp_path / "joblib", [ours], trust="full", arguments=[(data[0],)])
    assert done.imported == 1
    assert done.skipped == {"its arguments are not stored: their texts are no literals": 1}
    assert hits(ours, [((each,), {}) for each in data]) == [{"sum": 5.0}]


class Looks(str):
    __slots__ = ()

    def __repr__(self):
        return "'plain'"


def test_a_text_that_stands_for_something_else_is_not_believed(cache, memory, tmp_path):
    memory.cache(foreign.untouched)(Looks("other"))
    done = import_joblib(
        cache, tmp_path / "joblib", [memoized(cache, foreign.untouched)], trust="full"
    )
    assert done.imported == 0
    assert sum(done.skipped.values()) == 1


def test_changed_source_keeps_results_of_joblib_out(cache, memory, tmp_path):
    fill(memory.cache(foreign.scaled))
    ours = memoized(cache, foreign.scaled)
    code = next((tmp_path / "joblib").rglob("func_code.py"))
    code.write_text(code.read_text().replace("more}", "more, 'v': 1}"))
    done = import_joblib(cache, tmp_path / "joblib", [ours], trust="full")
    assert done.skipped == {"the source of its function has changed": 3}
    done = import_joblib(cache, tmp_path / "joblib", [ours], trust="full", changed_code=True)
    assert done.imported == 3


def test_arguments_that_joblib_ignored_do_not_count(cache, memory, tmp_path):
    memory.cache(foreign.scaled, ignore=["mode"])(7, mode="anything")
    ours = memoized(cache, foreign.scaled, ignore=["mode"])
    done = import_joblib(cache, tmp_path / "joblib", [ours], trust="full", ignore=["mode"])
    assert done.imported == 1
    assert ours.load(7, mode="else")["x"] == 7


def test_a_damaged_result_of_joblib_is_skipped(cache, memory, tmp_path):
    fill(memory.cache(foreign.scaled))
    next((tmp_path / "joblib").rglob("output.pkl")).write_bytes(b"nonsense")
    ours = memoized(cache, foreign.scaled)
    done = import_joblib(cache, tmp_path / "joblib", [ours], trust="full")
    assert (done.imported, done.skipped) == (2, {"its result cannot be read": 1})


# --- diskcache ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [diskcache.Cache, diskcache.FanoutCache])
@pytest.mark.parametrize("typed", [False, True])
def test_calls_of_diskcache_hit(kind, typed, cache, tmp_path):
    with contextlib.closing(kind(str(tmp_path / "theirs"))) as theirs:
        calls = [
            CALLS[0],
            CALLS[2],
            ((None,), {"y": 3}),
            ((None, None), {}),
            ((b"x" * 50_000,), {}),
        ]
        expected = fill(theirs.memoize(typed=typed)(foreign.scaled), calls)
        theirs["by hand"] = 5
    ours = memoized(cache, foreign.scaled)
    done = import_diskcache(cache, tmp_path / "theirs", [ours], trust="full")
    assert done.imported == len(calls)
    assert done.skipped == {"it is no call: its key was set by hand": 1}
    assert hits(ours, calls) == expected


def test_large_results_of_diskcache_come_from_their_files(cache, tmp_path):
    results: list[Any] = [np.arange(100_000.0), b"b" * 100_000, "t" * 100_000, 3, 2.5]
    with diskcache.Cache(str(tmp_path / "theirs")) as theirs:
        function = theirs.memoize(name="own")(results.__getitem__)
        for place in range(len(results)):
            function(place)
    ours = memoized(cache, foreign.untouched)
    assert import_diskcache(cache, tmp_path / "theirs", {"own": ours}, trust="full").imported == 5
    found = hits(ours, [((place,), {}) for place in range(5)])
    np.testing.assert_array_equal(found[0], results[0])
    assert found[1:] == results[1:]


def test_a_key_that_can_be_read_in_two_ways_is_skipped(cache, tmp_path):
    """(x, None, 'mode', None) is what scaled(x, mode=None) and scaled(x, None, 'mode') leave."""
    with diskcache.Cache(str(tmp_path / "theirs")) as theirs:
        theirs.memoize()(foreign.scaled)(1, mode=None)
        theirs.memoize()(foreign.scaled)(2)
    ours = memoized(cache, foreign.scaled)
    done = import_diskcache(cache, tmp_path / "theirs", [ours], trust="full")
    assert done.imported == 1
    assert done.skipped == {"its arguments do not fit the function, or are not told apart": 1}


def test_expired_entries_and_stampedes_are_skipped(cache, tmp_path):
    with diskcache.Cache(str(tmp_path / "theirs")) as theirs:
        theirs.memoize(expire=1000)(foreign.scaled)(1)
        theirs.memoize(expire=2000)(foreign.scaled)(2)
        diskcache.memoize_stampede(theirs, expire=1000)(foreign.scaled)(3)
        theirs.memoize()(foreign.untouched)(4)
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs" / "cache.db")) as database:
        database.execute(
            "UPDATE Cache SET expire_time = 1 WHERE expire_time > ?", [time.time() + 1500]
        )
        database.commit()
    done = import_diskcache(
        cache, tmp_path / "theirs", [memoized(cache, foreign.scaled)], trust="full"
    )
    assert done.imported == 1
    assert len(done.skipped) == 3
    assert any("foreign.untouched" in reason for reason in done.skipped)
    assert any("stampede" in reason for reason in done.skipped)


def test_a_file_outside_of_the_folder_is_not_read(cache, tmp_path):
    (tmp_path / "secret").write_bytes(pickle.dumps("secret"))
    with diskcache.Cache(str(tmp_path / "theirs")) as theirs:
        theirs.memoize()(foreign.untouched)(b"x")
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs" / "cache.db")) as database:
        database.execute("UPDATE Cache SET mode = 4, filename = '../secret', value = NULL")
        database.commit()
    done = import_diskcache(
        cache, tmp_path / "theirs", [memoized(cache, foreign.untouched)], trust="full"
    )
    assert done.imported == 0
    assert done.skipped == {"its file lies outside of the folder": 1}


# --- fleche -------------------------------------------------------------------------------------


def theirs_in(folder, calls):
    from fleche.caches import Cache
    from fleche.storage import CallPickleFile, Sql, ValuePickleFile

    folder.mkdir()
    values = ValuePickleFile.with_pickle(root=folder / "values")
    if calls == "sql":
        return Cache(values=values, calls=Sql(url=f"sqlite:///{folder}/calls.db"))
    return Cache(values=values, calls=CallPickleFile.with_pickle(root=folder / "calls"))


@pytest.mark.parametrize("calls", ["sql", "files"])
def test_calls_of_fleche_hit(calls, cache, tmp_path):
    theirs = theirs_in(tmp_path / "theirs", calls)
    with fleche.cache(theirs):
        expected = fill(fleche.fleche()(foreign.scaled))
        fleche.fleche()(foreign.summed)(np.arange(5))
        fleche.fleche()(foreign.untouched)("x")
    ours = [memoized(cache, foreign.scaled), memoized(cache, foreign.summed)]
    done = import_fleche(cache, tmp_path / "theirs", ours, trust="full")
    assert done.imported == 4
    assert list(done.skipped.values()) == [1]
    assert hits(ours[0], CALLS) == expected
    assert all(each.metadata["runtime"]["started"].year >= 2024 for each in cache.query())
    assert ours[1].load(np.arange(5)) == {"sum": 5.0}


def test_fleche_caches_of_any_kind_are_given_as_such(cache, tmp_path):
    theirs = theirs_in(tmp_path / "theirs", "files")
    with fleche.cache(theirs):
        fleche.fleche(hash_code=True)(foreign.untouched)(5)
    ours = memoized(cache, foreign.untouched)
    assert import_fleche(cache, theirs, [ours], trust="full").imported == 1
    assert ours.load(5) == 5


def test_what_fleche_lost_or_knows_with_other_code_is_skipped(cache, tmp_path, monkeypatch):
    theirs = theirs_in(tmp_path / "theirs", "files")
    with fleche.cache(theirs):
        fleche.fleche()(foreign.summed)(np.arange(5))
        fleche.fleche(hash_code=True)(foreign.untouched)("x")
    (call,) = [
        theirs.calls.load(key)
        for key in theirs.calls.list()
        if theirs.calls.load(key).name == "summed"
    ]
    theirs.values.evict(call.arguments["data"])

    def untouched(x):
        return [x]

    untouched.__module__, untouched.__qualname__ = foreign.__name__, "untouched"
    ours = [memoized(cache, foreign.summed), memoized(cache, untouched)]
    done = import_fleche(cache, tmp_path / "theirs", ours, trust="full")
    assert done.imported == 0
    assert done.skipped == {
        "its arguments are not stored, or cannot be read": 1,
        "the code of its function has changed": 1,
    }


# --- all of them --------------------------------------------------------------------------------


def folder_of(kind, tmp_path):
    folder = tmp_path / kind
    if kind == "joblib":
        forget_sources()
        joblib.Memory(folder, verbose=0).cache(foreign.untouched)(5)
    elif kind == "diskcache":
        with diskcache.Cache(str(folder)) as theirs:
            theirs.memoize()(foreign.untouched)(5)
    else:
        with fleche.cache(theirs_in(folder, "files")):
            fleche.fleche()(foreign.untouched)(5)
    return folder


IMPORTERS: dict[str, Any] = {
    "joblib": import_joblib,
    "diskcache": import_diskcache,
    "fleche": import_fleche,
}


@pytest.mark.parametrize("kind", IMPORTERS)
def test_nothing_is_read_unless_it_is_trusted(kind, cache, tmp_path):
    ours = memoized(cache, foreign.untouched)
    with pytest.raises(ConfigError, match="trust"):
        IMPORTERS[kind](cache, folder_of(kind, tmp_path), [ours])


@pytest.mark.parametrize("kind", IMPORTERS)
def test_a_second_import_finds_all_there_and_dry_runs_count(kind, cache, tmp_path):
    folder, ours = folder_of(kind, tmp_path), memoized(cache, foreign.untouched)
    bring = IMPORTERS[kind]
    assert bring(cache, folder, [ours], trust="full", dry_run=True).imported == 1
    assert not ours.contains(5)
    assert bring(cache, folder, [ours], trust="full").imported == 1
    again = bring(cache, folder, [ours], trust="full")
    assert (again.imported, again.present) == (0, 1)


@pytest.mark.parametrize("kind", IMPORTERS)
def test_foreign_folders_are_not_changed(kind, cache, tmp_path):
    folder = folder_of(kind, tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ours = memoized(cache, foreign.untouched)
    IMPORTERS[kind](cache, folder, [ours], trust="full")
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    kept = {path: data for path, data in after.items() if path.suffix not in (".db-shm", ".db-wal")}
    assert kept == {path: data for path, data in before.items() if path in kept}


@pytest.mark.parametrize("kind", IMPORTERS)
def test_what_makes_no_sense_is_refused(kind, cache, tmp_path):
    bring, ours = IMPORTERS[kind], memoized(cache, foreign.untouched)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CacheNotFound):
        bring(cache, tmp_path / "empty", [ours], trust="full")
    folder = folder_of(kind, tmp_path)
    with pytest.raises(ConfigError, match="memoized"):
        bring(cache, folder, [foreign.untouched], trust="full")
    locked = fl.open_cache(tmp_path / "ours" / "embedded", read_only=True)
    with locked, pytest.raises(ReadOnlyError):
        bring(locked, folder, [ours], trust="full")


class Exploding:
    def __reduce__(self):
        return (os.mkdir, (os.environ["BOMB"],))


def test_without_trust_no_foreign_pickle_is_opened(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    folder = folder_of("joblib", tmp_path)
    next(folder.rglob("output.pkl")).write_bytes(pickle.dumps(Exploding()))
    ours = memoized(cache, foreign.untouched)
    with pytest.raises(ConfigError):
        import_joblib(cache, folder, [ours])
    import_joblib(cache, folder, [ours], trust="full", dry_run=True)
    assert not (tmp_path / "exploded").exists()
