"""Opening caches, and where the default one lives."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fleche_like as fl
from fleche_like.config import default_folder
from fleche_like.errors import CacheNotFound, ConfigError, DatabaseError


def test_a_new_folder_is_private(tmp_path):
    fl.open_cache(tmp_path / "a" / "b").close()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_relative_folder_stays_where_it_was_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with fl.open_cache("cache") as cache:
        monkeypatch.chdir("/")
        cache.save(fl.Call("f", {}, result=b"x" * 100_000))
    assert (tmp_path / "cache" / "values").is_dir()


@pytest.mark.parametrize("target", ["file:{}/c", "file://{}/c", "{}/c"])
def test_a_file_url_is_a_folder(tmp_path, target):
    fl.open_cache(target.format(tmp_path)).close()
    assert (tmp_path / "c" / "index.db").is_file()


def test_small_values_go_into_the_database_and_large_ones_into_files(tmp_path):
    with fl.open_cache(tmp_path, inline_bytes=1000) as cache:
        cache.values.save("x" * 100)
        assert not (tmp_path / "values").exists()
        cache.values.save("x" * 2000)
        assert (tmp_path / "values").exists()


def test_reading_does_not_make_a_cache(tmp_path):
    with pytest.raises(CacheNotFound):
        fl.open_cache(tmp_path / "absent", read_only=True)
    assert not (tmp_path / "absent").exists()


def test_targets_that_make_no_sense(tmp_path):
    (tmp_path / "file").write_text("hello")
    for target in ("", tmp_path / "file"):
        with pytest.raises(ConfigError):
            fl.open_cache(target)
    with pytest.raises(ConfigError, match="values"):
        fl.open_cache(tmp_path, values=tmp_path)
    with pytest.raises(ConfigError):
        fl.open_cache("nosuchdialect://host/db")


@pytest.mark.parametrize("garbage", [b"not a database" * 1000, b"\0" * 8192])
def test_a_file_that_is_no_database_is_a_clear_error(tmp_path, garbage):
    (tmp_path / "index.db").write_bytes(garbage)
    with pytest.raises(DatabaseError, match=r"index\.db"):
        fl.open_cache(tmp_path)
    assert (tmp_path / "index.db").read_bytes() == garbage


def test_a_sql_url_with_values_in_a_folder_and_in_the_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    for values in (tmp_path / "values", None):
        with fl.open_cache(url, values=values) as cache:
            key = cache.save(fl.Call("f", {"v": repr(values)}, result=[1]))
            cache.memory.clear()
            assert cache.lookup(key) == [1]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("mark", ["pyproject.toml", ".git"])
def test_the_default_cache_lives_with_the_project(tmp_path, mark):
    project = tmp_path / "project"
    (project / "src" / "deep").mkdir(parents=True)
    (project / mark).touch()
    assert default_folder(project / "src" / "deep") == project / ".fleche-like"


def test_without_a_project_the_default_cache_lives_with_the_user(home):
    (home / "elsewhere").mkdir()
    if any((parent / mark).exists() for parent in home.parents for mark in (".git",)):
        pytest.fail("the temporary folder lies in a checkout; nothing to test here")
    folder = default_folder(home / "elsewhere")
    assert folder.name == "fleche-like"
    assert "elsewhere" not in folder.parts


def test_the_default_cache_is_made_when_it_is_first_needed(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    script = tmp_path / "script.py"
    script.write_text(
        "import fleche_like as fl\n"
        "@fl.memoize\n"
        "def f(x): return x\n"
        "print(f(1), fl.current_cache().folder)\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    folder = tmp_path / ".fleche-like"
    assert done.stdout == f"1 {folder}\n"
    assert done.stderr == ""
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06")


def test_the_choice_of_the_default_is_logged_once(tmp_path, monkeypatch, caplog):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    fl.set_cache(None)
    try:
        with caplog.at_level(logging.INFO, "fleche_like"):
            first, second = fl.current_cache(), fl.current_cache()
        assert first is second
        assert [r.getMessage() for r in caplog.records if ".fleche-like" in r.getMessage()]
        assert len([r for r in caplog.records if "no cache was set" in r.getMessage()]) == 1
        first.close()
    finally:
        fl.set_cache(None)


def test_a_default_cache_that_cannot_be_made_costs_the_caching(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".fleche-like").write_text("a file in the way")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import fleche_like as fl; f = fl.memoize(lambda x: x + 1); print(f(1), f(2))",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2 3\n"
    assert "not cached" in done.stderr


def test_one_cache_for_the_process_another_for_a_context(tmp_path):
    import threading

    with fl.open_cache("memory://") as everywhere, fl.open_cache("memory://") as here:
        fl.set_cache(everywhere)
        try:
            seen = []
            with fl.use_cache(here):
                assert fl.current_cache() is here
                thread = threading.Thread(target=lambda: seen.append(fl.current_cache()))
                thread.start()
                thread.join()
            assert seen == [everywhere]
            assert fl.current_cache() is everywhere
        finally:
            fl.set_cache(None)


def test_a_folder_without_permission_costs_the_caching(tmp_path):
    if os.geteuid() == 0:
        # Root may write anywhere, so the folder lies where not even root can make one.
        folder = Path("/proc/1/cache")
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        folder = tmp_path / "locked" / "cache"
    with pytest.raises(OSError, match="cache"):
        fl.open_cache(folder)


ASKING = """
import fleche_like as fl

@fl.memoize
def twice(x):
    return 2 * x

assert [twice(x) for x in NUMBERS] == [2 * x for x in NUMBERS]
print(twice.stats().hits, twice.query().count())
"""


def powerless(command, folder):
    """Run a command as one who may not write where the rights say so, root included."""
    drop = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write anywhere, and there is no setpriv to give that up")
        drop = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    return subprocess.run([*drop, *command], cwd=folder, capture_output=True, text=True)


def test_a_default_cache_that_cannot_be_written_to_answers_what_it_holds(tmp_path):
    script, cache = tmp_path / "asking.py", tmp_path / ".fleche-like"
    (tmp_path / "pyproject.toml").touch()
    script.write_text(ASKING.replace("NUMBERS", "(1, 2)"))
    first = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert first.stdout == "0 2\n", first.stderr
    script.write_text(ASKING.replace("NUMBERS", "(1, 2, 3, 4)"))
    cache.chmod(0o500)
    for file in cache.iterdir():
        file.chmod(0o400)
    try:
        found = powerless([sys.executable, script], tmp_path)
        listed = powerless([sys.executable, "-m", "fleche_like", "ls"], tmp_path)
        checked = powerless([sys.executable, "-m", "fleche_like", "db", "check"], tmp_path)
        assert checked.returncode == 0, checked.stderr
        assert found.stdout == "2 2\n", found.stderr
        assert found.stderr.count("cannot be written to") == 1
        assert listed.stdout.count("twice") == 2, listed.stderr
    finally:
        cache.chmod(0o700)


@pytest.mark.parametrize("folder", ["results", Path("results")])
def test_a_folder_in_the_place_of_a_cache_is_refused_at_once(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    for use in (fl.set_cache, lambda each: fl.use_cache(each).__enter__(), _bound_to):
        with pytest.raises(TypeError, match="open_cache"):
            use(folder)
    assert not Path("results").exists()


def _bound_to(cache):
    @fl.memoize(cache=cache)
    def unused():
        pass
