"""Secrets are planted wherever there may be some, and nothing that we show or write has them."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fleche_like as fl
from fleche_like.backends import DatabaseBackend, FsspecBackend, MemoryBackend, connect
from fleche_like.cli import main
from fleche_like.codecs import Signer, generate_key, key_of, signer_of
from fleche_like.database import Database
from fleche_like.index import SqlCallStorage
from fleche_like.maintenance import export
from fleche_like.storage.manager import ResultStorage, StorageManager
from fleche_like.support.redact import redact
from tests.project.paths import ROOT

PASSWORD = "hunter2-Pa55w0rd"
TOKEN = "tok3n-0123456789"
KEY = generate_key()
SECRETS = (PASSWORD, TOKEN, KEY, KEY[5:], key_of(KEY).secret.hex(), repr(key_of(KEY).secret)[2:-1])
NOWHERE = f"postgresql+psycopg://ann:{PASSWORD}@127.0.0.1:1/db?sslpassword={TOKEN}"


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def everything_of(error: BaseException) -> str:
    """Return all that a log, a report or a worker could have of an error."""
    found = [repr(error), str(error), repr(error.args), repr(vars(error))]
    found += traceback.format_exception(error, chain=True)
    cause = shown_cause(error)
    while cause is not None:
        found += [repr(cause), str(cause)]
        cause = shown_cause(cause)
    try:
        found.append(repr(pickle.dumps(error)))
    except Exception:
        found.append("does not pickle")
    return "\n".join(found)


def shown_cause(error: BaseException) -> BaseException | None:
    # One that is suppressed goes along too, where tblib pickles errors, as Dask has it do.
    return error.__cause__ or error.__context__


@pytest.fixture(autouse=True)
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, "fleche_like"):
        yield
    assert secrets_in(caplog.text) == []


FAILING: dict[str, Callable[[], Any]] = {
    "a server that is not there": lambda: fl.open_cache(NOWHERE),
    "looking into it": lambda: fl.open_cache(NOWHERE, read_only=True),
    "its calls": lambda: SqlCallStorage(NOWHERE),
    "its blobs": lambda: DatabaseBackend(NOWHERE).put_bytes("a", b"b"),
    "no such dialect": lambda: fl.open_cache(f"nosuch://ann:{PASSWORD}@h/d?token={TOKEN}"),
    "no such driver": lambda: fl.open_cache(f"postgresql+no://ann:{PASSWORD}@h/d"),
    "a port that is none": lambda: fl.open_cache(f"postgresql://ann:{PASSWORD}@h:x/d"),
    "a slash in the password": lambda: fl.open_cache(f"nosuch://ann:{PASSWORD}/x@h/d"),
    "an object store": lambda: fl.open_cache(f"s3://ann:{PASSWORD}@bucket/x?secret={TOKEN}"),
    "values with a folder": lambda: fl.open_cache("c", values=f"s3://a:{PASSWORD}@b/c"),
    "values nowhere": lambda: connect(f"nosuch://ann:{PASSWORD}@h/d?token={TOKEN}"),
    "a key with a typo": lambda: fl.open_cache("c", keys=KEY[:-1] + "!"),
    "a key as a file": lambda: fl.open_cache("c", keys={"file": "x" + KEY}),
    "a list of keys": lambda: fl.open_cache("c", keys=[KEY, PASSWORD]),
    "a key that is to travel": lambda: pickle.dumps(Signer([key_of(KEY)])),
    "a secret as a cache's name": lambda: fl.open_cache(f"@{KEY}"),
    "S3 without a server": lambda: connect(
        "s3://bucket/x",
        key="ann",
        secret=PASSWORD,
        token=TOKEN,
        endpoint_url="http://127.0.0.1:1",
        config_kwargs={"retries": {"max_attempts": 0}, "connect_timeout": 1},
    ).put_bytes("a", b"b"),
}


@pytest.mark.parametrize("way", FAILING)
def test_errors_tell_no_secret(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((fl.FlecheError, OSError, ValueError)) as caught:
        FAILING[way]()
    assert secrets_in(everything_of(caught.value)) == []


SHOWN: dict[str, Callable[[], Any]] = {
    "signer": lambda: Signer([key_of(KEY)]),
    "keys of the environment": lambda: signer_of({"env": "TEAM_KEYS"}),
    "database": lambda: Database(NOWHERE),
    "S3": lambda: FsspecBackend("s3", "bucket/x", key="ann", secret=PASSWORD, token=TOKEN),
    "S3 by URL": lambda: connect("s3://bucket/x", key="ann", secret=PASSWORD, token=TOKEN),
}


@pytest.mark.parametrize("what", SHOWN)
def test_what_is_shown_or_travels_has_no_secret(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEYS", KEY)
    made = SHOWN[what]()
    assert secrets_in(f"{made!r} {made} {getattr(made, 'url', '')}") == []
    if what != "signer":
        assert secrets_in(repr(pickle.dumps(made))) == []


def test_a_signed_cache_shows_and_writes_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEYS", KEY)
    folder = tmp_path / "c"
    with fl.open_cache(folder, keys={"env": "TEAM_KEYS"}) as cache:
        key = cache.save(fl.Call("f", {"x": [1]}, "lab", result=b"x" * 100_000))
        call = cache.load(key)
        query = cache.query(name="f")
        shown = [cache, cache.values, cache.calls, call, query, query.table(library=None)]
        shown += [cache.stats(), query.table().to_csv(), vars(cache), vars(cache.values)]
        assert secrets_in(repr(shown)) == []
        assert secrets_in(repr(pickle.dumps(cache))) == []
    for file in folder.rglob("*"):
        if file.is_file():
            assert not any(secret.encode() in file.read_bytes() for secret in SECRETS)
            assert key_of(KEY).secret not in file.read_bytes()


CONFIG = f"""
default = "team"
[caches.team]
url = "postgresql+psycopg://ann:{PASSWORD}@127.0.0.1:1/db"
values = "s3://bucket/x?secret={TOKEN}"
keys = {{env = "TEAM_KEYS"}}
"""


@pytest.mark.parametrize(
    "words",
    [
        ["config"],
        ["config", "--json"],
        ["ls"],
        ["stats"],
        ["show", "3f9a"],
        ["db", "current"],
        ["db", "upgrade"],
        ["reindex"],
        ["--cache", NOWHERE, "ls"],
        ["--cache", NOWHERE, "db", "check"],
        ["--cache", f"s3://ann:{PASSWORD}@b/c", "ls"],
        ["--cache", f"@{KEY}", "ls"],
    ],
    ids=lambda words: " ".join(words)[:12],
)
def test_the_command_line_tells_no_secret(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "fleche-like.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEAM_KEYS", KEY)
    monkeypatch.setenv("FLECHE_LIKE_KEYS", KEY)
    main(words)
    shown = capsys.readouterr()
    assert shown.out + shown.err
    assert secrets_in(shown.out + shown.err) == []


@pytest.mark.parametrize(
    "content",
    [
        f'[caches.c]\npath = "x"\nkeys = "{KEY}"',
        f'[caches.c]\npath = "x"\nkeys = {{key = "{KEY}"}}',
        f'[caches.c]\npath = "x"\nkeys = {{file = ["{KEY}"]}}',
        f'[caches.c]\nurl = ["postgresql://a:{PASSWORD}@h/d"]',
        f'[caches.c]\nurl = "postgresql://a:{PASSWORD}@h/d"\npath = "x"',
        f'[caches.c]\nurl = {{environ = "{PASSWORD}"}}',
        f'[caches.c]\nurl = "{PASSWORD}',
        f'[caches.c]\npath = "x"\nmax_bytes = "{TOKEN}"',
    ],
    ids=lambda content: content.replace(KEY, "KEY"),  # the same in every process
)
def test_errors_of_configuration_show_no_values(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleche-like.toml").write_text(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fl.ConfigError) as caught:
        fl.open_cache("@c")
    assert secrets_in(everything_of(caught.value)) == []


def test_a_worker_that_crashes_prints_no_key(tmp_path: Path) -> None:
    program = (
        "import fleche_like as fl\n"
        f"cache = fl.open_cache({str(tmp_path / 'c')!r}, keys={{'env': 'TEAM_KEYS'}})\n"
        "cache.save(fl.Call('f', {}, result=[1]))\n"
        "raise RuntimeError(repr(vars(cache)) + repr(cache.values.signer))\n"
    )
    environment = {**os.environ, "TEAM_KEYS": KEY, "PYTHONPATH": str(ROOT), "PYTHONDEVMODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert "RuntimeError" in done.stderr
    assert secrets_in(done.stdout + done.stderr) == []


def test_an_archive_of_a_signed_cache_holds_no_key(tmp_path: Path) -> None:
    with fl.open_cache(tmp_path / "c", keys=KEY) as cache:
        cache.save(fl.Call("f", {"x": [1]}, "lab", result=b"x" * 10_000))
        export(cache, tmp_path / "archive", show_progress=False)
    data = (tmp_path / "archive").read_bytes()
    assert key_of(KEY).id.hex().encode() in data  # it is signed
    assert not any(secret.encode() in data for secret in SECRETS)
    assert key_of(KEY).secret not in data


def test_a_described_storage_manager_has_no_secret(tmp_path: Path) -> None:
    results = ResultStorage(MemoryBackend(), signer=Signer([key_of(KEY)]))
    with StorageManager(results) as manager:
        manager.save_result("a", [1])
        shown = [manager, manager.get_storage_info(), vars(manager), vars(results), results]
        assert secrets_in(repr(shown)) == []


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{PASSWORD}@h/d",
        f"postgresql://ann:x/{PASSWORD}@h/d",
        f"postgresql://ann:{PASSWORD}@{TOKEN}@h/d",
        f"postgresql://:{PASSWORD}@h/d",
        f"mssql://?odbc_connect=DRIVER;PWD={PASSWORD}",
        f"az://c/p?sig={TOKEN}&x=1",
        f"s3://b/p?X-Amz-Signature={TOKEN}&X-Amz-Credential={PASSWORD}",
        f"DefaultEndpointsProtocol=https;AccountKey={TOKEN};x=1",
        f"a postgresql://a:{PASSWORD}@h/d and b://c:{TOKEN}@h",
        f"keys: {KEY}, {KEY}",
    ],
)
def test_redaction_hides(url: str) -> None:
    assert secrets_in(redact(url)) == []


@pytest.mark.parametrize(
    "text",
    ["s3://bucket/prefix", "http://host:80/path", "sqlite:////tmp/a.db", "@team", "a key=1", ""],
)
def test_redaction_leaves_what_is_no_secret(text: str) -> None:
    assert redact(text) == text


def test_json_of_the_configuration_names_the_origin_and_not_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleche-like.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    main(["config", "--json"])
    found = {
        row["setting"]: row["value"] for row in json.loads(capsys.readouterr().out)["settings"]
    }
    assert found["caches.team.keys"] == "env TEAM_KEYS"
    assert found["caches.team.url"] == "postgresql+psycopg://ann:***@127.0.0.1:1/db"
