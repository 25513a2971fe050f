"""What is collected and what stays, in every kind of cache."""

from __future__ import annotations

import os
import time
import tracemalloc
from datetime import timedelta
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like import Cache, memoize
from fleche_like.backends import LocalBackend, stage
from fleche_like.backends.keys import TEMPORARY
from fleche_like.calls import Call
from fleche_like.errors import ConfigError, ReadOnlyError
from fleche_like.hashing import Digest, digest
from fleche_like.maintenance import Collected, gc, marks
from fleche_like.maintenance.marks import BUCKETS, Marks
from fleche_like.storage import BackendValueStorage
from fleche_like.storage.layout import path
from tests.maintenance.conftest import opened, records_elsewhere
from tests.storage.places import DictCalls, DictValues

EVERYTHING = timedelta(seconds=-5)
"""A grace that ends in the future, for what was stored in this very moment."""


def call(number, **more):
    arguments = {"n": number, "data": {"of": [number] * 30}, "view": np.float64(number / 7)}
    return Call("f", arguments | more, result={"large": [number % 256] * (900 * number)})


def fill(cache, count=12):
    return [cache.save(call(number)) for number in range(count)]


def values(cache):
    return set(cache.values.list())


# --- calls and their values ----------------------------------------------------------------------


def test_values_of_evicted_calls_go_and_all_others_stay(any_cache):
    keys = fill(any_cache, 6)
    for key in keys[::2]:
        any_cache.evict(key)
    found = gc(any_cache, grace=EVERYTHING)
    assert (found.calls, found.values) == (3, 9)
    assert found.size_bytes > 0
    for number in range(1, 6, 2):
        loaded = any_cache.load(keys[number])
        assert loaded.result == call(number).result
        assert dict(loaded.arguments) == call(number).arguments
    assert len(values(any_cache)) == 9
    assert gc(any_cache, grace=EVERYTHING).values == 0


def test_a_value_that_two_calls_share_stays_for_the_other(cache):
    shared = ["shared"] * 2000
    first = cache.save(Call("f", {"n": 1}, result=shared))
    second = cache.save(Call("g", {"data": shared}, result=1))
    cache.evict(first)
    gc(cache, grace=EVERYTHING)
    assert cache.load(second).arguments["data"] == shared
    cache.evict(second)
    gc(cache, grace=EVERYTHING)
    assert not values(cache)


def test_a_digest_given_as_an_argument_keeps_its_value(cache):
    made = cache.save(Call("make", {}, result=["made"] * 3000))
    of_result = cache.load(made).digested.result
    cache.save(Call("use", {"made": of_result}, result=2))
    cache.evict(made)
    assert gc(cache, grace=EVERYTHING).values == 0
    assert cache.load_value(of_result) == ["made"] * 3000


def test_nothing_goes_in_a_dry_run_and_the_figures_are_the_same(cache):
    for key in fill(cache)[:5]:
        cache.evict(key)
    before = values(cache)
    found = gc(cache, grace=EVERYTHING, dry_run=True)
    assert values(cache) == before
    assert gc(cache, grace=EVERYTHING) == found


def test_what_was_evicted_is_stored_again_and_stays(cache):
    keys = fill(cache)
    for key in keys:
        cache.evict(key)
    gc(cache, grace=EVERYTHING)
    assert not values(cache)
    assert fill(cache) == keys
    assert gc(cache, grace=EVERYTHING).values == 0
    assert cache.lookup(keys[3]) == call(3).result


def test_only_what_is_named_may_go(cache):
    keys = fill(cache, 3)
    results = [cache.load(key).digested.result for key in keys]
    for key in keys:
        cache.evict(key)
    assert gc(cache, grace=EVERYTHING, only=results[1:]).values == 2
    assert results[0] in values(cache)


def test_source_texts_of_code_stay(tmp_path):
    with opened(tmp_path) as cache:

        @memoize(cache=cache)
        def doubled(n):
            return 2 * n

        doubled(3)
        kept = {Digest(known) for known in cache.manifest(doubled.call(3).code).values()}
        assert kept & values(cache)
        assert gc(cache, grace=EVERYTHING).values == 0


# --- grace ---------------------------------------------------------------------------------------


def age(cache, seconds):
    """Let everything be so much older."""
    moment = time.time() - seconds
    for root, _, names in os.walk(cache.folder):
        for name in names:
            if not name.startswith("index.db"):
                os.utime(os.path.join(root, name), (moment, moment))
    database = cache.calls.database
    import sqlalchemy as sa

    database.write(database.prepare(sa.text("UPDATE blobs SET mtime = :m"), ("m",)), (moment,))


def test_what_is_young_stays(cache):
    for key in fill(cache):
        cache.evict(key)
    before = values(cache)
    found = gc(cache)
    assert (found.values, found.young) == (0, len(before))
    assert values(cache) == before


@pytest.mark.parametrize("count", [1, 3_000, 30_000], ids=["inline", "a blob", "a file"])
def test_a_value_that_is_relied_on_again_is_young_again(tmp_path, count):
    value = ["relied on"] * count
    with opened(tmp_path) as cache:
        known = cache.values.save(value)
        other = cache.values.save([*value, "and no more"])
        age(cache, 7200)
        assert cache.values.save(value) == known
        assert gc(cache, grace=3600).values == 1
        assert known in values(cache)
        assert other not in values(cache)


def test_an_argument_that_a_running_call_found_there_is_young_again(tmp_path):
    argument = {"data": ["argument"] * 5000}
    with opened(tmp_path) as cache:
        known = cache.values.save(argument)
        age(cache, 7200)
        running = cache.prepare(Call("f", {"a": argument}))
        assert gc(cache, grace=3600).values == 0
        key = cache.commit(running, 1)
        assert cache.load(key).arguments["a"] == argument
        assert known in values(cache)


# --- names and parts -----------------------------------------------------------------------------


def test_what_a_name_refers_to_stays(cache):
    named, other = cache.values.save(["named"] * 900), cache.values.save(["other"] * 900)
    cache.values.backend.put_bytes("names/some", b'{"value": "' + named.encode() + b'"}')
    assert gc(cache, grace=EVERYTHING).values == 1
    assert named in values(cache)
    assert other not in values(cache)


class Divided(BackendValueStorage):
    """Says of some values that they are put together from others."""

    of: dict[Digest, tuple[Digest, ...]]

    def references(self, key):
        return self.of.get(key, ())


def test_parts_of_parts_stay_with_the_value(tmp_path):
    with opened(tmp_path) as plain:
        divided = Divided(plain.values.backend)
        cache: Any = Cache(divided, plain.calls, memory_bytes=0)
        whole, part, inner, unused = (divided.save([name] * 9) for name in "abcd")
        divided.of = {whole: (part,), part: (inner, part), unused: (unused,)}
        cache.save(Call("f", {}, result=["a"] * 9))
        assert gc(cache, grace=EVERYTHING).values == 1
        assert values(cache) == {whole, part, inner}


# --- what is damaged or left over ----------------------------------------------------------------


def test_no_value_goes_while_a_record_cannot_be_read(tmp_path):
    import sqlalchemy as sa

    with opened(tmp_path) as cache:
        keys = fill(cache, 4)
        cache.evict(keys[0])
        database = cache.calls.database
        spoil = sa.text("UPDATE calls SET record = :r WHERE key = :k")
        database.write(database.prepare(spoil, ("r", "k")), (b"nonsense", keys[1]))
        before = values(cache)
        found = gc(cache, grace=EVERYTHING)
        assert (found.unreadable, found.values) == (1, 0)
        assert values(cache) == before


def test_records_without_rows_keep_what_they_need_or_go(tmp_path):
    """One whose result is there becomes a call again by reindex; one without is of no use."""
    with records_elsewhere(tmp_path) as cache:
        keys = fill(cache, 2)
        records = cache.calls.records
        saved = {key: records.get_bytes(path("calls/", key)) for key in keys}
        cache.values.evict(cache.load(keys[1]).digested.result)
        for key in keys:
            cache.evict(key)
            records.put_bytes(path("calls/", key), saved[key])
        found = gc(cache, grace=EVERYTHING)
        assert (found.records, found.adoptable) == (1, 1)
        assert records.exists(path("calls/", keys[0]))
        assert not records.exists(path("calls/", keys[1]))
        assert cache.load_value(digest(call(0).result)) == call(0).result


def test_temporary_files_empty_stages_and_old_quarantine_go(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "default_parent", lambda: tmp_path / "stages")
    monkeypatch.setattr(
        "fleche_like.maintenance.leftovers.default_parent", lambda: tmp_path / "stages"
    )
    (tmp_path / "stages").mkdir()
    crashed = stage.Stage.new(tmp_path / "stages", "s3://somewhere")
    crashed.forget()
    full = stage.Stage.new(tmp_path / "stages", "s3://elsewhere")
    staged = stage.StagedFile("log")
    full.fill(staged, b"not uploaded yet")
    full.forget()
    live = stage.Stage.new(tmp_path / "stages", "s3://here")
    with opened(tmp_path) as cache:
        fill(cache, 2)
        (tmp_path / "cache" / "values").mkdir(exist_ok=True)
        left = tmp_path / "cache" / "values" / f"{TEMPORARY}left"
        left.write_bytes(b"half of a value")
        cache.values.backend.put_bytes("quarantine/values/x", b"damaged")
        assert gc(cache, grace=3600) == Collected(calls=2)
        found = gc(cache, grace=EVERYTHING, quarantine=EVERYTHING)
        assert (found.temporary, found.stages, found.quarantined) == (1, 1, 1)
        assert not left.exists()
        assert not crashed.folder.exists()
        assert full.folder.exists()
        assert live.folder.exists()
        assert not cache.values.backend.exists("quarantine/values/x")
    live.close()


# --- refusals ------------------------------------------------------------------------------------


def test_a_read_only_cache_is_refused_but_for_a_dry_run(tmp_path):
    with opened(tmp_path) as cache:
        for key in fill(cache, 2):
            cache.evict(key)
    with opened(tmp_path, read_only=True) as cache:
        with pytest.raises(ReadOnlyError):
            gc(cache)
        assert gc(cache, grace=EVERYTHING, dry_run=True).values == 6


def test_values_in_no_byte_backend_are_refused():
    with pytest.raises(ConfigError, match="no byte backend"):
        gc(Cache(DictValues(), DictCalls()))


class WithoutTimes:
    """A backend that knows no more than it must."""

    def __init__(self, backend):
        self.backend = backend

    def __getattr__(self, name):
        if name in {"stat", "renew", "delete_older"}:
            raise AttributeError(name)
        return getattr(self.backend, name)


def test_a_backend_that_knows_no_times_is_refused(tmp_path):
    values = BackendValueStorage(cast("Any", WithoutTimes(LocalBackend(tmp_path))))
    with pytest.raises(ConfigError, match="how old"):
        gc(Cache(values, DictCalls()), grace=0)


# --- marks ---------------------------------------------------------------------------------------

DIGESTS = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(st.lists(st.tuples(DIGESTS, DIGESTS)), st.integers(16, 200))
def test_a_spool_holds_what_was_added(rows, held_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, "_HELD_BYTES", held_bytes)
        spool = Marks(2)
        for row in rows:
            spool.add(*row)
    found = [tuple(part.hex() for part in row) for bucket in BUCKETS for row in spool.rows(bucket)]
    assert sorted(found) == sorted(rows)
    assert set(spool.all()) == {first for first, _ in rows}
    spool.close()


def test_marks_take_a_few_megabytes_however_many_there_are(monkeypatch):
    monkeypatch.setattr(marks, "_HELD_BYTES", 64 * 1024)
    spool = Marks()
    tracemalloc.start()
    for number in range(40_000):
        spool.add(f"{number * 2654435761 % 2**32:08x}{number:024x}")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 512 * 1024
    assert sum(len(spool.digests(bucket)) for bucket in BUCKETS) == 40_000
    spool.close()


def test_parts_of_values_in_parts_stay_as_long_as_one_needs_them(tmp_path):
    shared, own = np.arange(60_000.0), np.arange(60_000)
    with opened(tmp_path, destructure_bytes=100_000) as cache:
        first = cache.save(Call("f", {"n": 1}, result={"shared": shared, "own": own}))
        second = cache.save(Call("f", {"n": 2}, result=[1, {"in": shared}]))
        parts = cache.values.references(cache.load(first).digested.result)
        assert len(parts) == 2
        assert gc(cache, grace=EVERYTHING).values == 0
        cache.evict(first)
        assert gc(cache, grace=EVERYTHING).values == 2
        assert np.array_equal(cache.lookup(second)[1]["in"], shared)
        cache.evict(second)
        gc(cache, grace=EVERYTHING)
        assert not values(cache)


def test_a_part_removed_just_before_its_call_is_stored_is_put_again(tmp_path, monkeypatch):
    result: Any = {"part": np.arange(60_000.0), "more": "x" * 5000}
    with opened(tmp_path, destructure_bytes=100_000) as cache:
        cache.values.save(result)
        save, collected = cache.calls.save, []

        def save_after_gc(call, **options):
            if not cache.calls.database.is_writing():
                with opened(tmp_path) as other:
                    collected.append(gc(other, grace=EVERYTHING).values)
            return save(call, **options)

        monkeypatch.setattr(cache.calls, "save", save_after_gc)
        for argument in (1, ["by steps"]):
            key = cache.save(Call("f", {"a": argument}, result=result))
            assert np.array_equal(cache.lookup(key)["part"], result["part"])
            cache.evict(key)
        assert sum(collected) >= 2
