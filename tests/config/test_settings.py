"""Configuration: where it is found, what wins, and what errors say."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import fleche_like as fl
from fleche_like import cache as caches
from fleche_like.codecs import generate_key
from fleche_like.config import (
    default_target,
    index_of,
    load_settings,
    open_default_cache,
    open_executor,
)
from fleche_like.config.keyfiles import make_key_file
from fleche_like.errors import CacheNotFound, ConfigError
from fleche_like.support.sentinel import MISSING

composed = pytest.mark.skipif(
    not hasattr(caches, "CacheStack"), reason="this tree has no stacks and pools of caches yet"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user and a project without any settings; the working directory is below the project."""
    for name in ("CONFIG", "CACHE", "KEYS", "KEYS_FILE", "TRUST"):
        monkeypatch.delenv(f"FLECHE_LIKE_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "settings"))
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "project" / "deep" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "deep" / "below")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def project(home: Path, text: str) -> Path:
    return write(home / "project" / "fleche-like.toml", text)


def user(home: Path, text: str) -> Path:
    return write(home / "home" / "settings" / "fleche-like" / "fleche-like.toml", text)


# --- where and what wins ---


def test_without_any_file_nothing_is_set(home: Path) -> None:
    settings = load_settings()
    assert settings.caches == {}
    assert [each.state for each in settings.looked] == ["absent", "absent"]
    assert default_target().endswith("fleche-like")


def test_a_file_is_found_upward_and_its_paths_are_relative_to_it(home: Path) -> None:
    project(home, 'default = "mine"\n[caches.mine]\npath = "results"')
    with open_default_cache() as cache:
        cache.save(fl.Call("f", {}, result=1))
    assert (home / "project" / "results" / "index.db").exists()
    assert index_of("@mine") == home / "project" / "results" / "index.db"


def test_the_nearest_file_is_the_projects(home: Path) -> None:
    project(home, '[caches.far]\npath = "far"')
    write(Path.cwd() / "fleche-like.toml", '[caches.near]\npath = "near"')
    assert [*load_settings().caches] == ["near"]


def test_the_environment_wins_over_the_project_and_that_over_the_user(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = user(home, '[caches.a]\npath = "ua"\n[caches.b]\npath = "ub"\nread_only = true')
    here = project(home, '[caches.a]\npath = "pa"\nmmap = true')
    monkeypatch.setenv("FLECHE_LIKE_CACHES__A__MMAP", "verify")
    monkeypatch.setenv("FLECHE_LIKE_CACHES__B__INLINE_BYTES", "1 kB")

    found = load_settings().caches

    assert found["a"].values == {"path": "pa", "mmap": "verify"}
    assert found["a"].origins == {"path": str(here), "mmap": "FLECHE_LIKE_CACHES__A__MMAP"}
    assert found["b"].values == {"path": "ub", "read_only": True, "inline_bytes": 1000}
    assert found["b"].where("path") == str(ours)


def test_a_table_is_taken_whole_from_one_file(home: Path) -> None:
    user(home, '[caches.a]\nurl = "postgresql://h/d"\nread_only = true')
    project(home, '[caches.a]\npath = "pa"')
    assert load_settings().caches["a"].values == {"path": "pa"}


def test_the_environment_can_make_a_cache_and_move_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(home, '[caches.my-team]\nurl = "postgresql://h/d"')
    monkeypatch.setenv("FLECHE_LIKE_CACHES__MY_TEAM__PATH", "here")
    monkeypatch.setenv("FLECHE_LIKE_CACHES__NEW__PATH", "new")
    found = load_settings().caches
    assert found["my-team"].values == {"path": str(Path.cwd() / "here")}
    assert found["new"].values == {"path": str(Path.cwd() / "new")}


def test_a_file_can_be_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(home, '[caches.a]\npath = "a"')
    other = write(home / "other.toml", '[caches.b]\npath = "b"')
    monkeypatch.setenv("FLECHE_LIKE_CONFIG", str(other))
    assert [*load_settings().caches] == ["b"]
    monkeypatch.setenv("FLECHE_LIKE_CONFIG", str(home / "absent.toml"))
    with pytest.raises(ConfigError, match=r"FLECHE_LIKE_CONFIG.*absent\.toml"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "found"),
    [("@b", "@b"), ("folder", "folder"), ("memory://", "memory://"), ("", "@a")],
)
def test_the_default_cache_by_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, found: str
) -> None:
    project(home, 'default = "a"\n[caches.a]\npath = "a"\n[caches.b]\npath = "b"')
    monkeypatch.setenv("FLECHE_LIKE_CACHE", variable)
    assert default_target() == found


def test_memoized_functions_use_the_default_of_the_configuration(home: Path) -> None:
    project(home, 'default = "mine"\n[caches.mine]\npath = "results"\ntrust = "safe"')
    fl.set_cache(None)
    try:
        double = fl.memoize(code="none")(lambda x: [x, x])
        assert double(2) == double(2) == [2, 2]
        assert fl.current_cache().folder == home / "project" / "results"
        assert fl.current_cache().values.trusted == {"safe"}  # type: ignore[attr-defined]
        fl.current_cache().close()
    finally:
        fl.set_cache(None)


# --- named caches ---


def test_a_name_is_no_folder_and_a_folder_no_name(home: Path) -> None:
    project(home, '[caches.team]\npath = "results"')
    fl.open_cache("team").close()
    fl.open_cache("./@team").close()
    fl.open_cache("@team").close()
    assert {path.name for path in Path.cwd().iterdir()} == {"team", "@team"}
    assert (home / "project" / "results").is_dir()


def test_options_given_in_the_program_win(home: Path) -> None:
    project(home, '[caches.a]\npath = "a"\nmemory_bytes = 7\nmmap = "verify"')
    with fl.open_cache("@a", memory_bytes=9) as cache:
        assert cache.memory.max_bytes == 9
        assert cache.values.mmap == "verify"  # type: ignore[attr-defined]
    project(home, '[caches.a]\npath = "absent"')
    with pytest.raises(CacheNotFound):
        fl.open_cache("@a", read_only=True)


def test_places_and_keys_by_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(
        home,
        '[caches.team]\nurl = {env = "TEAM_URL"}\nvalues = {env = "TEAM_VALUES"}\n'
        'keys = {env = "TEAM_KEYS"}',
    )
    with pytest.raises(ConfigError, match=r"\[caches\.team\]: url: .*no TEAM_URL"):
        fl.open_cache("@team")
    monkeypatch.setenv("TEAM_URL", f"sqlite:///{home / 'calls.db'}")
    monkeypatch.setenv("TEAM_VALUES", str(home / "values"))
    monkeypatch.setenv("TEAM_KEYS", generate_key())
    with fl.open_cache("@team") as cache:
        cache.save(fl.Call("f", {}, result=[1]))
        assert cache.calls.signer is not None  # type: ignore[attr-defined]
    assert (home / "values").is_dir()


def test_a_key_file_is_relative_to_the_configuration(home: Path) -> None:
    identifier = make_key_file(home / "project" / "team.keys")
    project(home, '[caches.a]\npath = "a"\nkeys = {file = "team.keys"}')
    with fl.open_cache("@a") as cache:
        assert cache.values.signer.ids == (identifier,)  # type: ignore[attr-defined]


@composed
def test_stacks_and_pools_are_made_of_named_caches(home: Path) -> None:
    project(
        home,
        '[caches.near]\npath = "near"\n[caches.far]\npath = "far"\n'
        '[caches.both]\nstack = ["near", "far"]\n[caches.all]\npool = ["both", "far"]',
    )
    with fl.open_cache("@far") as cache:
        key = cache.save(fl.Call("f", {}, result=[1]))
    with fl.open_cache("@both") as stack, fl.open_cache("@all") as pool:
        assert type(stack).__name__ == "CacheStack"
        assert type(pool).__name__ == "CachePool"
        assert stack.lookup(key) == pool.lookup(key) == [1]
        absent = fl.Digest("0" * 32)
        assert stack.lookup(absent) is pool.lookup(absent) is MISSING


def test_what_is_made_of_several_has_no_index(home: Path) -> None:
    project(home, '[caches.a]\npath = "a"\n[caches.s]\nstack = ["a"]')
    with pytest.raises(ConfigError, match="name one of @a"):
        index_of("@s")


def test_executors_by_the_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(home, '[executor]\nkind = "processes"\nworkers = 3')
    with open_executor() as executor:
        assert isinstance(executor, ProcessPoolExecutor)
    monkeypatch.setenv("FLECHE_LIKE_EXECUTOR__KIND", "threads")
    with open_executor() as executor:
        assert isinstance(executor, ThreadPoolExecutor)
        assert executor._max_workers == 3
    with open_executor("threads", 1) as executor:
        assert isinstance(executor, ThreadPoolExecutor)
        assert executor._max_workers == 1


# --- what is wrong is named ---

WRONG: dict[str, tuple[str, tuple[str, ...]]] = {
    "no TOML": ("[caches.a]\npath = = 1", ("is no TOML", "line 2")),
    "unknown table": ('[cache.a]\npath = "a"', ("cache", "did you mean 'caches'?")),
    "unknown key": (
        '[caches.a]\npath = "a"\nread_onyl = true',
        ("[caches.a]", "read_onyl", "unknown key; did you mean 'read_only'?"),
    ),
    "unknown executor key": ("[executor]\nworker = 1", ("[executor]", "worker", "'workers'")),
    "no table": ('caches = "x"', ("[caches]", "a table is wanted")),
    "no table inside": ('[caches]\na = "x"', ("[caches]", "a:", "[caches.a]")),
    "wrong type": ("[caches.a]\npath = 7", ("[caches.a]", "path", "a text is wanted")),
    "wrong choice": (
        '[caches.a]\npath = "a"\ntrust = "saef"',
        ("[caches.a]", "trust", "one of 'pickle', 'safe'"),
    ),
    "one for true": ('[caches.a]\npath = "a"\nmmap = 1', ("[caches.a]", "mmap", "one of true")),
    "wrong size": ('[caches.a]\npath = "a"\nmax_bytes = "10 GBB"', ("max_bytes", '"10 GB"')),
    "negative size": ('[caches.a]\npath = "a"\nmax_bytes = -1', ("max_bytes", "wanted")),
    "wrong age": ('[caches.a]\npath = "a"\nmax_age = "a while"', ("max_age", '"30 days"')),
    "no place": ("[caches.a]\nread_only = true", ("[caches.a]", "exactly one of path, url")),
    "two places": ('[caches.a]\npath = "a"\nurl = "b"', ("path, url", "exactly one of")),
    "keys inline": ('[caches.a]\npath = "a"\nkeys = "x"', ("keys", "do not go here")),
    "keys in two places": (
        '[caches.a]\npath = "a"\nkeys = {file = "a", env = "B"}',
        ("keys", "{file ="),
    ),
    "values without url": ('[caches.a]\npath = "a"\nvalues = "b"', ("values", "goes with url")),
    "options of a stack": (
        '[caches.a]\npath = "a"\n[caches.s]\nstack = ["a"]\nmmap = true',
        ("[caches.s]", "mmap", "does not go with stack"),
    ),
    "an empty stack": ("[caches.s]\nstack = []", ("[caches.s]", "stack", "a list of names")),
    "an unknown member": (
        '[caches.near]\npath = "a"\n[caches.s]\nstack = ["naer"]',
        ("[caches.s]", "stack", "no cache 'naer'; did you mean 'near'?"),
    ),
    "a stack of itself": ('[caches.s]\nstack = ["s"]', ("[caches.s]", "s -> s")),
    "a circle": (
        '[caches.a]\nstack = ["b"]\n[caches.b]\npool = ["c"]\n[caches.c]\nstack = ["a"]',
        ("a -> b -> c -> a",),
    ),
    "an unknown default": ('default = "a"\n[caches.aa]\npath = "a"', ("default", "'aa'?")),
    "a default that is no text": ("default = 1", ("default", "a text is wanted")),
}


@pytest.mark.parametrize("what", WRONG)
def test_errors_name_file_table_and_key(home: Path, what: str) -> None:
    text, parts = WRONG[what]
    path = project(home, text)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(str(path))
    assert [part for part in parts if part not in message] == []
    assert caught.value.source == str(path)


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("FLECHE_LIKE_CACHES__A__READ_ONYL", "true", ("[caches.a]", "did you mean 'read_only'?")),
        ("FLECHE_LIKE_CACHES__A__READ_ONLY", "yes", ("[caches.a]", "true or false")),
        ("FLECHE_LIKE_CACHES__A", "x", ("CACHES__NAME__KEY",)),
        ("FLECHE_LIKE_EXECUTOR__WORKERS", "0", ("[executor]", "workers", "1 or more")),
        ("FLECHE_LIKE_CACHE", "@nosuch", ("no cache 'nosuch'",)),
    ],
)
def test_errors_name_the_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, parts: Any
) -> None:
    project(home, '[caches.a]\npath = "a"')
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(caught.value).startswith(variable)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_name_that_is_not_there_says_where_it_was_looked_for(home: Path) -> None:
    path = project(home, '[caches.team]\npath = "a"')
    with pytest.raises(ConfigError, match="did you mean 'team'") as caught:
        fl.open_cache("@taem")
    assert str(path) in str(caught.value)
    with pytest.raises(ConfigError):
        fl.open_cache("@")


def test_a_file_that_cannot_be_read_is_an_error(home: Path) -> None:
    (home / "project" / "fleche-like.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no TOML"):
        load_settings()


# --- messages about places ---


def test_a_bucket_is_no_cache_and_the_message_says_what_is() -> None:
    with pytest.raises(ConfigError, match=r"values='s3://bucket/x'"):
        fl.open_cache("s3://bucket/x")


def test_a_missing_sqlite_file_is_a_missing_cache(home: Path) -> None:
    with pytest.raises(CacheNotFound, match=r"there is no cache in .*missing\.db"):
        fl.open_cache(f"sqlite:///{home / 'missing.db'}", read_only=True)
    assert not (home / "missing.db").exists()
