"""What is recorded of a call, by which choice; and what it costs."""

from __future__ import annotations

import itertools
import logging
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

import fleche_like as fl
from fleche_like.memo import (
    EnvironmentMetadata,
    GitMetadata,
    RuntimeMetadata,
    Tags,
    only,
    surroundings,
    use_metadata,
)


class Steps:
    """A source of one's own."""

    name = "steps"

    def start(self):
        began = time.time()
        return lambda: {"began": began, "count": 3}


class FailsToStart:
    name = "broken"

    def start(self):
        raise RuntimeError("start")


class FailsToStop:
    name = "broken"

    def start(self):
        def stop() -> Mapping[str, Any]:
            raise RuntimeError("stop")

        return stop


def recorded(**options):
    @fl.memoize(code="none", **options)
    def f(x):
        return x

    f(1)
    return f.query(1).one().metadata


@pytest.mark.parametrize(
    ("option", "names"),
    [
        (None, {"runtime"}),
        (True, {"runtime"}),
        (False, set()),
        ({"project": "p"}, {"runtime", "project"}),
        (Steps(), {"runtime", "steps"}),
        ([Steps(), {"project": "p"}, Tags("a")], {"runtime", "steps", "project", "tags"}),
        (only(), set()),
        (only(Steps()), {"steps"}),
        (only(RuntimeMetadata(), Tags("a")), {"runtime", "tags"}),
        ([], {"runtime"}),
    ],
    ids=[
        "none",
        "true",
        "false",
        "mapping",
        "source",
        "several",
        "only nothing",
        "only one",
        "only several",
        "empty",
    ],
)
def test_choices(cache, option, names):
    assert recorded(metadata=option).keys() == names


@pytest.mark.parametrize(
    "option",
    [3, "name", [3], only("x")],  # type: ignore[arg-type]
    ids=["number", "text", "list", "only"],
)
def test_what_is_no_source_is_refused_when_it_is_decorated(option):
    with pytest.raises(TypeError):
        fl.memoize(metadata=option)(len)


def test_a_context_adds_to_what_is_recorded(cache):
    with use_metadata(Tags("paper", run=7)), use_metadata({"project": "p"}):
        assert recorded().keys() == {"runtime", "tags", "project"}
    with use_metadata(Tags("paper")):
        assert recorded(version=2, metadata=only(Steps())).keys() == {"steps", "tags"}
        assert recorded(version=3, metadata=False) == {}
    assert recorded(version=4).keys() == {"runtime"}
    with pytest.raises(TypeError), use_metadata(3):  # type: ignore[arg-type]
        pass


def test_a_context_holds_in_its_thread_alone(cache):
    found = []
    with use_metadata(Tags("here")):
        thread = threading.Thread(target=lambda: found.append(recorded()))
        thread.start()
        thread.join()
    assert found[0].keys() == {"runtime"}


def test_tags_are_found_by_name(cache):
    with use_metadata(Tags("paper", run=7)):
        recorded()
    assert cache.query().where(fl.meta("tags.paper") == True).count() == 1  # noqa: E712
    assert cache.query().where(fl.meta("tags.run") == 7).count() == 1
    assert cache.query().where(fl.meta("tags.run") == 8).count() == 0


@pytest.mark.parametrize("broken", [FailsToStart(), FailsToStop()], ids=["start", "stop"])
def test_a_source_that_fails_costs_only_what_it_observes(cache, broken):
    with pytest.warns(fl.NotCachedWarning, match="RuntimeError"):
        metadata = recorded(metadata=[broken, Tags("a")])
    assert metadata.keys() == {"runtime", "tags"}


def test_times_are_those_of_the_body(cache):
    @fl.memoize(code="none")
    def f():
        time.sleep(0.05)
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    f()
    runtime = f.query().one().metadata["runtime"]
    assert 0.1 <= runtime["walltime"] < 5
    assert 0.05 <= runtime["cputime"] < 0.2
    assert abs(time.time() - runtime["started"].timestamp()) < 60


def test_the_environment_is_a_few_entries(cache):
    metadata = recorded(metadata=EnvironmentMetadata("xxhash", "no-such-package"))
    environment = metadata["environment"]
    assert environment["python"] == platform.python_version()
    assert environment["host"] == platform.node()
    assert environment["packages"].keys() == {"xxhash", "no-such-package"}
    assert environment["packages"]["no-such-package"] is None
    assert len(recorded(version=2, metadata=EnvironmentMetadata())["environment"]) == 3


def git(folder, *arguments):
    identity = ["-c", "user.name=n", "-c", "user.email=e@x"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    surroundings._looks.clear()
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("one")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def test_the_commit_is_recorded_and_whether_it_is_all(cache, repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert recorded(metadata=GitMetadata(repository))["git"] == {"commit": commit, "dirty": False}
    (repository / "untracked").write_text("x")
    surroundings._looks.clear()
    assert not recorded(version=2, metadata=GitMetadata(repository / "file"))["git"]["dirty"]
    (repository / "file").write_text("two")
    surroundings._looks.clear()
    assert recorded(version=3, metadata=GitMetadata(repository))["git"]["dirty"]


def test_a_look_at_a_repository_is_shared(repository, monkeypatch):
    looks = []
    look = surroundings._look

    def noted(folder):
        looks.append(folder)
        return look(folder)

    monkeypatch.setattr(surroundings, "_look", noted)
    for _ in range(100):
        GitMetadata(repository).start()()
    assert len(looks) == 1
    monkeypatch.setattr(surroundings, "GIT_MAX_AGE_S", 0.0)
    GitMetadata(repository).start()()
    assert len(looks) == 2


def test_outside_a_repository_there_is_nothing_to_record(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert recorded(metadata=GitMetadata(tmp_path))["git"] == {}
    monkeypatch.setenv("PATH", "")
    surroundings._looks.clear()
    assert recorded(version=2, metadata=GitMetadata(tmp_path))["git"] == {}


def test_a_repository_without_a_commit(cache, tmp_path):
    surroundings._looks.clear()
    git(tmp_path, "init", "--quiet")
    assert recorded(metadata=GitMetadata(tmp_path))["git"] == {
        "commit": "(initial)",
        "dirty": False,
    }


# Counts and events


def test_counts_say_what_hits_saved(cache):
    @fl.memoize(code="none")
    def f(x):
        time.sleep(0.1)
        return bytes(100_000)

    @fl.memoize(code="none")
    def g(x):
        return x

    assert f.stats().seconds_saved is None
    f(1)
    f(2)
    for _ in range(5):
        f(1)
    for n in range(3):
        g(n)
    stats = f.stats()
    assert (stats.hits, stats.misses) == (5, 2)
    assert 0.2 <= stats.seconds < 60
    assert stats.seconds_saved is not None
    assert 0.5 <= stats.seconds_saved < 150
    assert stats.bytes is not None
    assert 100_000 <= stats.bytes < 250_000
    figures = cache.stats()
    assert (figures.hits, figures.stored) == (5, 5)
    assert figures.seconds_saved == pytest.approx(stats.seconds_saved, rel=0.2)
    assert figures.size_bytes > 100_000


def test_hits_are_told_apart_by_cache_from_the_next_call_on_that_is_looked_up(tmp_path):
    @fl.memoize(code="none")
    def f(x):
        time.sleep(0.05)
        return x

    numbers = itertools.count()
    with fl.open_cache(tmp_path / "one") as one, fl.open_cache(tmp_path / "two") as two:
        for cache, times in (one, 4), (two, 2), (one, 2):
            with fl.use_cache(cache):
                new = next(numbers)
                for _ in range(times + 1):
                    f(new)
        per_hit = 0.05
        saved = [cache.stats().seconds_saved or 0.0 for cache in (one, two)]
        assert saved[0] >= 6 * per_hit
        assert 2 * per_hit <= saved[1] < saved[0]


def test_events_carry_fields(cache, caplog):
    @fl.memoize(code="none", cache_if=lambda result: result != 3)
    def f(x):
        if x == 4:
            raise ValueError(x)
        return x

    with caplog.at_level(logging.DEBUG, "fleche_like.memo"):
        f(1)
        f(1)
        f(3)
        with pytest.raises(ValueError, match="4"):
            f(4)
    events = [
        (each.fleche_event, each.fleche_function, each.fleche_key)
        for each in caplog.records
        if hasattr(each, "fleche_event")
    ]
    name = f"{__name__}.test_events_carry_fields.<locals>.f"
    assert events == [
        ("stored", name, f.key(1)),
        ("hit", name, f.key(1)),
        ("uncached", name, f.key(3)),
        ("raised", name, f.key(4)),
    ]
    (stored,) = [each for each in caplog.records if getattr(each, "fleche_event", "") == "stored"]
    assert stored.fleche_seconds >= 0


def test_nothing_is_printed_or_logged_by_default(tmp_path):
    program = f"""
import asyncio, fleche_like as fl
fl.set_cache(fl.open_cache({str(tmp_path / "cache")!r}))
@fl.memoize
def f(x): return x
@fl.memoize
async def g(x): return x
f(1); f(1); asyncio.run(g(1)); asyncio.run(g(1))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
