"""``trust="safe"``: nothing that is stored is ever unpickled, whatever way it is reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import fleche_like as fl
from fleche_like.cli import main
from fleche_like.codecs import generate_key, signer_of
from fleche_like.errors import ConfigError, FlecheError, NotCachedWarning, UntrustedEnvelope
from fleche_like.support.sentinel import MISSING
from tests.security.places import Bomb, Place, bomb, envelope, forbid_pickles

VALUE = {"loss": [0.5], "weights": np.arange(3000.0), "name": "é"}
in_a_folder = pytest.mark.parametrize("place", ["folder"], indirect=True)


def call(name: str, result: Any, **arguments: Any) -> fl.Call:
    return fl.Call(name, arguments or {"x": [1, 2]}, module="lab", result=result)


def planted(place: Place) -> fl.Digest:
    """Return the key of a call in a cache of pickles, one of whose values is a bomb."""
    with place.open() as cache:
        key = cache.save(call("f", VALUE))
    place.plant(fl.digest(VALUE), bomb(fl.digest(VALUE)))
    place.plant(fl.digest([1, 2]), bomb(fl.digest([1, 2])))
    return key


def test_the_bomb_is_one(place: Place) -> None:
    key = planted(place)
    with place.open() as cache:
        assert cache.lookup(key) == "boom"
    assert Bomb.fired == ["boom"]
    Bomb.fired.clear()


def test_what_is_stored_safely_comes_back_without_pickle(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.open(trust="safe") as cache:
        key = cache.save(call("f", VALUE))
    forbid_pickles(monkeypatch)
    with place.open(trust="safe") as cache:
        for _ in range(5):  # from the storage first, then from the memory tier
            found: Any = cache.lookup(key)
            assert fl.digest(found) == fl.digest(VALUE)
            found["loss"].append("changed")
        assert len(cache.memory) == 1
        assert cache.lookup_many([key])[key]["name"] == "é"
        mapped: Any = cache.lookup_mapped(key, mmap=True)
        assert mapped["name"] == "é"
        assert cache.load(key).arguments["x"] == [1, 2]
        table = cache.query(name="f").table(library=None)
        assert len(table) == 1


def test_pickles_are_misses_in_every_way(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    key = planted(place)
    forbid_pickles(monkeypatch)
    with place.open(trust="safe") as cache:
        assert cache.lookup(key) is MISSING
        assert cache.lookup_many([key]) == {}
        assert cache.lookup_mapped(key, mmap=True) is MISSING
        assert cache.load_values([fl.digest(VALUE)]) == {}
        for read in (
            lambda: cache.load_value(fl.digest(VALUE)),
            lambda: cache.load(key).result,
            lambda: cache.load(key).arguments["x"],
            lambda: cache.load(key).fetch(),
        ):
            with pytest.raises(UntrustedEnvelope, match="'pickle' is not trusted"):
                read()
        assert cache.query(name="f").count() == 1


@in_a_folder
def test_queries_and_tables_do_not_unpickle(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(place)
    assert pd.DataFrame  # it defines unpicklers when it is imported: not while that is forbidden
    forbid_pickles(monkeypatch)
    with place.open(trust="safe") as cache:
        query = cache.query(name="f")
        asked = (
            lambda: query.table(library=None),
            query.table,
            lambda: query.where(fl.arg("x")[0] == 1).all(),
            lambda: query.where(fl.result()["loss"][0] > 0).all(),
            lambda: query.order_by(fl.result()["loss"][0]).all(),
            lambda: repr(query),
            lambda: query._repr_html_(),
            lambda: [repr(each) for each in query],
            lambda: str(cache.lineage(fl.digest(VALUE))),
        )
        for ask in asked:
            try:
                ask()
            except (FlecheError, TypeError):
                continue


@in_a_folder
def test_pickles_are_replaced_when_the_call_is_stored_again(place: Place) -> None:
    key = planted(place)
    with place.open(trust="safe") as cache:
        cache.save(call("f", VALUE))
        assert fl.digest(cache.lookup(key)) == fl.digest(VALUE)
    with place.open() as cache:  # who trusts everything reads both
        assert fl.digest(cache.lookup(key)) == fl.digest(VALUE)


@in_a_folder
def test_pickles_stay_for_those_who_trust_them(place: Place) -> None:
    with place.open() as cache:
        key = cache.save(call("f", VALUE))
    with place.open(trust="safe") as cache:
        assert cache.lookup(key) is MISSING
    with place.open() as cache:
        assert fl.digest(cache.lookup(key)) == fl.digest(VALUE)


@in_a_folder
@pytest.mark.parametrize("words", [["show", "KEY"], ["show", "VALUE"], ["ls"], ["query", "--json"]])
def test_the_command_line_does_not_unpickle(
    place: Place,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = planted(place)
    forbid_pickles(monkeypatch)
    monkeypatch.setenv("FLECHE_LIKE_TRUST", "safe")
    told = {"KEY": str(key), "VALUE": str(fl.digest(VALUE))}
    assert main(["--cache", str(place.folder), *(told.get(word, word) for word in words)]) == 0
    assert "boom" not in capsys.readouterr().out


@in_a_folder
def test_damage_is_put_aside_without_a_look_inside(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = planted(place)
    data = bytearray(bomb(fl.digest(VALUE)))
    data[-1] ^= 1
    place.plant(fl.digest(VALUE), bytes(data))
    forbid_pickles(monkeypatch)
    with place.open(trust="safe") as cache:
        assert cache.lookup(key) is MISSING
    with place.open(trust="safe") as cache:
        assert cache.lookup(key) is MISSING


@in_a_folder
def test_what_the_codec_cannot_hold_costs_the_caching_alone(place: Place) -> None:
    ran = []

    def make(x: int) -> Any:
        ran.append(x)
        return object

    with place.open(trust="safe") as cache:
        memoized = fl.memoize(cache=cache, code="none")(make)
        with pytest.warns(NotCachedWarning, match="safe codec"):
            assert memoized(1) is object
        assert memoized(1) is object
    assert ran == [1, 1]


def test_safe_and_signed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = generate_key()
    with place.open(trust="safe", keys=keys) as cache:
        key = cache.save(call("f", VALUE))
        signed_pickle = envelope(Bomb(), fl.digest(VALUE), signer_of(keys))
    forbid_pickles(monkeypatch)
    with place.open(trust="safe", keys=keys, memory_bytes=0) as cache:
        assert fl.digest(cache.lookup(key)) == fl.digest(VALUE)
        place.plant(fl.digest(VALUE), signed_pickle)
        assert cache.lookup(key) is MISSING


def test_trust_is_one_of_two_words(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'pickle' or 'safe'"):
        fl.open_cache(tmp_path / "c", trust="some")  # type: ignore[arg-type]
    monkeypatch.setenv("FLECHE_LIKE_TRUST", "Safe")
    with pytest.raises(ConfigError, match="'Safe'"):
        fl.open_cache(tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_cache_in_memory_can_be_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    with fl.open_cache("memory://", trust="safe") as cache:
        forbid_pickles(monkeypatch)
        key = cache.save(call("f", VALUE))
        for _ in range(4):
            assert fl.digest(cache.lookup(key)) == fl.digest(VALUE)
