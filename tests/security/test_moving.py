"""Calls that go from one cache to another are believed there only if they were believed here."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.cache import Cache
from fleche_like.codecs import generate_key
from fleche_like.errors import FlecheError
from fleche_like.maintenance import export, import_, rekey, sync, transfer
from fleche_like.maintenance.changes import Rename
from fleche_like.support.sentinel import MISSING
from tests.security.places import Bomb, Place, bomb, forbid_pickles

HERE, THERE = generate_key(), generate_key()
VALUE = {"weights": np.arange(3000.0), "n": [1]}


def save(cache: Cache, name: str = "f") -> fl.Digest:
    return cache.save(fl.Call(name, {"x": [1]}, "lab", result=VALUE))


def by_transfer(source: Cache, target: Cache, _folder: Path) -> None:
    transfer(source, target, show_progress=False)


def by_sync(source: Cache, target: Cache, _folder: Path) -> None:
    sync(source, target, show_progress=False)


def by_archive(source: Cache, target: Cache, folder: Path) -> None:
    export(source, folder / "archive", show_progress=False)
    import_(target, folder / "archive", trust_unsigned=True, show_progress=False)


each_way = pytest.mark.parametrize("move", [by_transfer, by_sync, by_archive])


@each_way
@pytest.mark.parametrize(
    ("here", "there"),
    [(HERE, THERE), (False, THERE), (HERE, False)],
    ids=["other keys", "to keys", "from keys"],
)
def test_calls_are_signed_anew_where_the_keys_differ(
    tmp_path: Path, move: Any, here: Any, there: Any
) -> None:
    with (
        fl.open_cache(tmp_path / "a", keys=here) as source,
        fl.open_cache(tmp_path / "b", keys=there, memory_bytes=0) as target,
    ):
        key = save(source)
        move(source, target, tmp_path)
        assert fl.digest(target.lookup(key)) == fl.digest(VALUE)
        assert target.load(key).arguments["x"] == [1]


@each_way
@pytest.mark.parametrize("there", [HERE, THERE, False], ids=["same keys", "others", "none"])
def test_what_is_not_believed_here_does_not_come_to_be_believed_there(
    tmp_path: Path, move: Any, there: Any
) -> None:
    (tmp_path / "a").mkdir()
    place = Place("folder", tmp_path / "a")
    with place.open(keys=HERE) as source:
        key = save(source)
    with place.open(keys=False) as forger:
        forged = save(forger, "forged")
    place.plant(fl.digest(VALUE), bomb(fl.digest(VALUE)))
    with (
        place.open(keys=HERE, memory_bytes=0) as source,
        fl.open_cache(tmp_path / "b", keys=there, memory_bytes=0) as target,
    ):
        with contextlib.suppress(FlecheError):
            move(source, target, tmp_path)
        assert target.lookup(forged) is MISSING
        assert target.lookup(key) is MISSING
    assert Bomb.fired == []


@each_way
def test_pickles_that_come_to_a_safe_cache_are_never_unpickled(
    tmp_path: Path, move: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        fl.open_cache(tmp_path / "a") as source,
        fl.open_cache(tmp_path / "b", trust="safe", memory_bytes=0) as target,
    ):
        key = save(source)
        forbid_pickles(monkeypatch)
        with contextlib.suppress(FlecheError):
            move(source, target, tmp_path)
        assert target.lookup(key) is MISSING


@each_way
def test_safe_values_stay_safe(tmp_path: Path, move: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        fl.open_cache(tmp_path / "a", trust="safe") as source,
        fl.open_cache(tmp_path / "b", trust="safe", memory_bytes=0) as target,
    ):
        key = save(source)
        forbid_pickles(monkeypatch)
        move(source, target, tmp_path)
        assert fl.digest(target.lookup(key)) == fl.digest(VALUE)


def test_an_archive_that_was_not_signed_is_refused_where_keys_are(tmp_path: Path) -> None:
    with (
        fl.open_cache(tmp_path / "a") as source,
        fl.open_cache(tmp_path / "b", keys=THERE) as target,
    ):
        save(source)
        export(source, tmp_path / "archive", show_progress=False)
        with pytest.raises(FlecheError):
            import_(target, tmp_path / "archive", show_progress=False)
        assert target.query().count() == 0


def test_calls_under_a_new_name_are_signed(tmp_path: Path) -> None:
    with fl.open_cache(tmp_path / "a", keys=HERE, memory_bytes=0) as cache:
        save(cache)
        rekey(cache, Rename("f", "g"), show_progress=False)
        (call,) = cache.query(name="g")
        assert fl.digest(call.result) == fl.digest(VALUE)
        assert fl.digest(cache.lookup(call.key)) == fl.digest(VALUE)
