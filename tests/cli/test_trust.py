"""``config`` and ``keygen``, and caches by name."""

from __future__ import annotations

import json

import fleche_like as fl
from fleche_like.cli.exits import Exit
from fleche_like.codecs import signer_of


def test_config_shows_each_setting_with_its_origin(folder, run, monkeypatch):
    (folder / "fleche-like.toml").write_text('default = "a"\n[caches.a]\npath = "results"\n')
    monkeypatch.setenv("FLECHE_LIKE_CACHES__A__MMAP", "true")

    done = run("config")

    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    path = str(folder / "fleche-like.toml")
    assert ["project", path, "read"] in lines
    assert ["default", "@a", path] in lines
    assert ["caches.a.path", "results", path] in lines
    assert ["caches.a.mmap", "true", "FLECHE_LIKE_CACHES__A__MMAP"] in lines


def test_config_without_files_shows_the_default_cache(folder, run):
    done = run("config", "--json")
    (default, *rest) = json.loads(done.out)["settings"]
    assert default == {
        "setting": "default",
        "value": str(folder / ".fleche-like"),
        "from": "built in",
    }
    assert rest == []


def test_a_mistake_in_a_file_is_told_and_ends_with_a_code(folder, run):
    (folder / "fleche-like.toml").write_text("[caches.a]\npaht = 1\n")
    done = run("config")
    assert done.code == Exit.UNUSABLE
    assert "[caches.a]: paht: unknown key; did you mean 'path'?" in done.err
    assert done.out == ""


def test_a_cache_by_name_and_a_hint_for_its_name_alone(folder, run):
    (folder / "fleche-like.toml").write_text('[caches.team]\npath = "results"\n')
    assert run("--cache", "@team", "ls").code == 0
    for words in (["ls"], ["db", "current"]):
        done = run("--cache", "team", *words)
        assert done.code == Exit.UNUSABLE
        assert "did you mean --cache @team?" in done.err
    assert run("--cache", "@team", "db", "current").code == 0


def test_keygen_prints_a_key_that_signs(run):
    done = run("keygen")
    assert done.code == 0
    signer = signer_of(done.out.strip())
    assert signer is not None
    found = json.loads(run("keygen", "--json").out)
    signer = signer_of(found["key"])
    assert signer is not None
    assert signer.ids == (found["id"],)


def test_keygen_makes_a_file_rotates_it_and_tells_identifiers(folder, run):
    first = run("keygen", "keys").out.strip()
    with fl.open_cache("signed", keys="keys") as cache:
        old = cache.save(fl.Call("f", {}, result=[1]))
    second = json.loads(run("keygen", "--rotate", "keys", "--json").out)["ids"][0]
    assert run("keygen", "--ids", "keys").out.split() == [second, first]
    with fl.open_cache("signed", keys="keys", memory_bytes=0) as cache:
        assert cache.lookup(old) == [1]
        assert cache.values.signer.ids == (second, first)  # type: ignore[attr-defined]


def test_keygen_overwrites_nothing_and_shows_no_key_of_a_file(folder, run):
    assert "flk1_" not in run("keygen", "keys").out
    text = (folder / "keys").read_text()
    done = run("keygen", "keys")
    assert done.code == Exit.UNUSABLE
    assert "is there already" in done.err
    assert (folder / "keys").read_text() == text
    assert "flk1_" not in run("keygen", "--ids", "keys").out


def test_keygen_wants_a_file_to_rotate(run):
    assert run("keygen", "--rotate").code == Exit.USAGE
    assert run("keygen", "--ids").code == Exit.USAGE


def test_signed_caches_on_the_command_line(folder, run, monkeypatch):
    run("keygen", "keys")
    with fl.open_cache("signed", keys="keys") as cache:
        cache.save(fl.Call("honest", {}, result=[1]))
    with fl.open_cache("signed") as cache:
        cache.save(fl.Call("forged", {}, result=[1]))
    monkeypatch.setenv("FLECHE_LIKE_KEYS_FILE", "keys")
    shown = run("--cache", "signed", "ls").out
    assert "honest" in shown
    assert "forged" not in shown
    monkeypatch.delenv("FLECHE_LIKE_KEYS_FILE")
    assert "forged" in run("--cache", "signed", "ls").out
