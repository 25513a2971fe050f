"""Calls that move between caches with keys, of data alone, and composed of others."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.codecs import generate_key
from fleche_like.errors import ArchiveError, ConfigError, UntrustedArchive
from fleche_like.maintenance import (
    Rename,
    export,
    import_,
    rekey,
    sync,
    transfer,
    undo_rekey,
)
from fleche_like.storage.layout import path
from tests.maintenance.caches import LARGE, call, fill, held

OURS, THEIRS = generate_key(), generate_key()
KEYS = {"unsigned": None, "ours": OURS, "theirs": THEIRS}


def opened(folder, key=None, **options):
    return fl.open_cache(folder, keys=None if key is None else [key], **options)


@pytest.fixture
def source(tmp_path):
    with opened(tmp_path / "source", OURS) as cache:
        fill(cache, range(6))
        cache.save(fl.Call("parts", {"n": 1}, result={"data": np.arange(100_000.0), "n": 1}))
        yield cache


@pytest.mark.parametrize("name", KEYS)
def test_values_are_signed_for_where_they_go(name, source, tmp_path):
    with opened(tmp_path / "target", KEYS[name]) as target:
        assert transfer(source, target).copied == 7
    with opened(tmp_path / "target", KEYS[name], read_only=True) as target:
        assert target.lookup(call(3).key) == LARGE + b"\3"
        assert target.lookup(call(4).key) == {"number": 4}
        result = next(iter(target.query(name="parts"))).result
        assert np.array_equal(result["data"], np.arange(100_000.0))


def test_what_nobody_trusted_signed_does_not_move(source, tmp_path):
    with opened(tmp_path / "source", THEIRS) as stranger:
        stranger.save(call(77))
        forged = stranger.calls.load(call(77).key).result
    with opened(tmp_path / "target", OURS) as target:
        done = transfer(source, target)
        assert done.copied == 7
        assert not target.contains(call(77).key)
        assert not target.values.contains(forged)


def test_a_forged_value_in_the_target_is_replaced(source, tmp_path):
    large = source.calls.load(call(3).key).result
    where = path("values/", large)
    with opened(tmp_path / "target", OURS) as target:
        target.values.backend.put_bytes(where, b"forged" * 20_000)
        transfer(source, target)
        assert target.lookup(call(3).key) == LARGE + b"\3"


def test_an_archive_of_ours_is_taken_and_of_others_is_not(source, tmp_path):
    export(source, tmp_path / "ours.fla")
    with opened(tmp_path / "other", THEIRS) as other:
        fill(other, range(3))
        export(other, tmp_path / "theirs.fla")
    with opened(tmp_path / "plain") as plain:
        fill(plain, range(3))
        export(plain, tmp_path / "unsigned.fla")
    with opened(tmp_path / "target", OURS) as target:
        for name in ("theirs", "unsigned"):
            with pytest.raises(UntrustedArchive):
                import_(target, tmp_path / f"{name}.fla")
            assert held(target) == {}
        assert import_(target, tmp_path / "ours.fla").calls == 7
        assert held(target).keys() == held(source).keys()
        assert target.lookup(call(4).key) == {"number": 4}
        again = import_(target, tmp_path / "theirs.fla", trust_unsigned=True)
        assert (again.present, again.kept) == (3, 0)


def test_a_signature_covers_all_that_an_archive_says(source, tmp_path):
    export(source, tmp_path / "ours.fla")
    data = (tmp_path / "ours.fla").read_bytes()
    start = data.rindex(b"E", 0, data.rindex(b'{"calls"'))
    end = json.loads(data[start + 9 :])
    end["functions"] = []
    changed = json.dumps(end, sort_keys=True, separators=(",", ":")).encode()
    head = b"E" + len(changed).to_bytes(8, "little")
    (tmp_path / "ours.fla").write_bytes(data[:start] + head + changed)
    with opened(tmp_path / "target", OURS) as target, pytest.raises(UntrustedArchive):
        import_(target, tmp_path / "ours.fla")


def test_an_archive_shows_no_key_and_no_signature_of_values(source, tmp_path):
    export(source, tmp_path / "ours.fla")
    assert OURS.encode() not in (tmp_path / "ours.fla").read_bytes()
    with opened(tmp_path / "plain") as plain:
        assert import_(plain, tmp_path / "ours.fla").calls == 7
        assert held(plain).keys() == held(source).keys()


def test_a_signed_journal_restores_nothing_that_was_forged(source, tmp_path):
    done = rekey(source, Rename("lab.work", "new"))
    with opened(tmp_path / "other", THEIRS) as other:
        fill(other, [4])
        forged = rekey(other, Rename("lab.work", "new")).journal
    assert undo_rekey(source, forged).changed == 0
    assert undo_rekey(source, done.journal).changed == 6


# --- data alone ---------------------------------------------------------------------------------


def test_a_cache_of_data_alone_takes_no_pickles(tmp_path):
    with opened(tmp_path / "source") as source, opened(tmp_path / "safe", trust="safe") as safe:
        fill(source, range(3))
        export(source, tmp_path / "a.fla")
        done = import_(safe, tmp_path / "a.fla")
        assert (done.calls, done.refused) == (0, 3)
        assert list(safe.values.list()) == []
        export(safe, tmp_path / "none.fla")


def test_values_are_encoded_anew_for_a_cache_of_data_alone(tmp_path):
    with opened(tmp_path / "source") as source, opened(tmp_path / "safe", trust="safe") as safe:
        fill(source, range(3))
        source.save(fl.Call("f", {"x": 1}, result=Odd()))
        done = transfer(source, safe)
        assert (done.copied, done.incomplete) == (3, 1)
        assert safe.lookup(call(1).key) == {"number": 1}
        with opened(tmp_path / "more", trust="safe") as more:
            export(safe, tmp_path / "safe.fla")
            assert import_(more, tmp_path / "safe.fla").calls == 3


def test_a_pickle_that_lies_in_a_cache_of_data_alone_does_not_move(tmp_path):
    with opened(tmp_path / "source") as pickles:
        fill(pickles, range(2))
    with opened(tmp_path / "source", trust="safe") as source:
        source.save(call(7))
        with opened(tmp_path / "target", trust="safe") as target:
            done = transfer(source, target)
            assert (done.copied, done.incomplete) == (1, 2)
            assert not target.values.contains(source.calls.load(call(1).key).result)


class Odd:
    """What no safe codec holds."""


# --- composed -----------------------------------------------------------------------------------


def test_stacks_and_pools_are_sources(tmp_path):
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b, opened(tmp_path / "c") as c:
        fill(a, range(3))
        fill(b, range(2, 6))
        assert transfer(fl.CachePool(a, b), c).copied == 6
        assert export(fl.CacheStack(a, b), tmp_path / "a.fla").calls == 6
        assert c.lookup(call(5).key) == {"number": 5}


def test_a_stack_that_is_written_to_answers_with_what_came(tmp_path):
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b, opened(tmp_path / "c") as c:
        stack = fl.CacheStack(a, b)
        key = stack.save(call(1, result="old"))
        assert stack.lookup(key) == "old"
        a.save(call(1, result="old"))
        c.save(call(1, result="new"))
        assert transfer(c, stack, overwrite=True).replaced == 1
        assert stack.lookup(key) == "new"
        export(c, tmp_path / "c.fla")
        stack.save(call(1, result="old"))
        a.save(call(1, result="old"))
        assert import_(stack, tmp_path / "c.fla", overwrite=True).replaced == 1
        assert stack.lookup(key) == "new"


def test_a_part_of_a_composition_is_the_same_cache(tmp_path):
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        fill(a, range(2))
        for one, other in ((a, fl.CacheStack(a, b)), (fl.CacheStack(a, b), b)):
            with pytest.raises(ConfigError):
                transfer(one, other, pop=True)
            with pytest.raises(ConfigError):
                sync(one, other)
        assert len(held(a)) == 2


def test_one_database_under_two_names_is_the_same_cache(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with opened(tmp_path / "real" / "x") as a, opened(tmp_path / "link" / "x") as b:
        fill(a, range(2))
        with pytest.raises(ConfigError):
            transfer(a, b, pop=True)
    url = f"sqlite:///{tmp_path}/real/x/index.db"
    with opened(tmp_path / "real" / "x") as a, fl.open_cache(url, values=tmp_path / "v") as b:
        with pytest.raises(ConfigError):
            transfer(a, b, pop=True)
        assert len(held(a)) == 2


def test_errors_of_archives_survive_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(ArchiveError("x", path="p", reason="r")))
    assert (error.path, error.reason) == ("p", "r")
