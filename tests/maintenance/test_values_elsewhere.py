"""An index that was opened without its values is refused: nothing is taken for damage."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fleche_like import open_cache
from fleche_like.calls import Call
from fleche_like.cli import main
from fleche_like.errors import ConfigError
from fleche_like.hashing import digest
from fleche_like.index import upgrade
from fleche_like.maintenance import gc, verify
from tests import servers

VERBS = [gc, verify, lambda cache: verify(cache, repair="quarantine")]


def call(number, result=None):
    return Call("f", {"n": number}, result=[number] if result is None else result)


def on_sqlite(folder):
    return f"sqlite:///{folder}/calls.db"


def on_postgresql(_folder):
    url = servers.postgresql_url()
    upgrade(url)
    return url


def on_mariadb(_folder):
    url = servers.mariadb_url()
    upgrade(url)
    return url


@pytest.fixture(
    params=[
        on_sqlite,
        pytest.param(on_postgresql, marks=servers.needs_postgresql),
        pytest.param(on_mariadb, marks=servers.needs_mariadb),
    ]
)
def url(request, tmp_path):
    return request.param(tmp_path)


@pytest.mark.parametrize("verb", VERBS, ids=["gc", "verify", "repair"])
def test_an_index_whose_values_are_elsewhere_is_refused(url, tmp_path, verb):
    with open_cache(url, values=tmp_path / "values") as cache:
        keys = [cache.save(call(number)) for number in range(3)]
        with open_cache(url) as bare, pytest.raises(ConfigError, match="values="):
            verb(bare)
        assert [cache.lookup(key) for key in keys] == [[0], [1], [2]]
        assert verify(cache).is_sound
        verb(cache)


@pytest.mark.parametrize("verb", VERBS, ids=["gc", "verify", "repair"])
def test_the_index_of_an_embedded_cache_is_refused(tmp_path, verb):
    with open_cache(tmp_path / "cache") as cache:
        key = cache.save(call(1, np.arange(50_000)))
    with (
        open_cache(f"sqlite:///{tmp_path}/cache/index.db") as bare,
        pytest.raises(ConfigError, match="wants that folder"),
    ):
        verb(bare)
    with open_cache(tmp_path / "cache") as cache:
        assert cache.contains(key)
        assert verify(cache).is_sound


def test_an_index_with_its_values_or_without_need_of_any_is_looked_at(url):
    with open_cache(url) as cache:
        assert verify(cache).is_sound
        cache.save(call(1, 7))
        for stored in [*cache.values.list()]:
            cache.values.evict(stored)
        assert verify(cache).is_sound  # the record says the result
        assert gc(cache).calls == 1
        key = cache.save(call(2))
        other = cache.save(call(3))
        cache.values.evict(digest(cache.load(other).result))
        assert verify(cache).found == {"result": 1}
        assert cache.lookup(key) == [2]


def test_the_command_line_says_what_to_pass(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = on_sqlite(tmp_path)
    with open_cache(url, values=tmp_path / "values") as cache:
        cache.save(call(1))
    for verb in (["gc"], ["verify"], ["verify", "--repair", "quarantine"]):
        assert main(["--cache", url, *verb]) != 0
        assert "--cache @NAME" in capsys.readouterr().err
    settings = {"url": url, "values": str(tmp_path / "values")}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (tmp_path / "fleche-like.toml").write_text("\n".join(["[caches.team]", *lines]))
    for verb in (["gc"], ["verify"], ["verify", "--repair", "quarantine"]):
        assert main(["--cache", "@team", *verb]) == 0
