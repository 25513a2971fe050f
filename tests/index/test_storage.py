"""The call storage over SQL, in every combination of databases, records and locks."""

from __future__ import annotations

import contextlib
import logging
import sqlite3

import pytest
import sqlalchemy as sa

from fleche_like.backends import LocalBackend, MemoryBackend
from fleche_like.calls import Call, QueryCall, Selection, arg, meta, result
from fleche_like.calls.record import encode_record
from fleche_like.codecs import Encoded
from fleche_like.codecs.envelope import seal
from fleche_like.database import Database
from fleche_like.errors import DamagedEnvelope, ReadOnlyError
from fleche_like.hashing import digest
from fleche_like.index import SqlCallStorage, late
from fleche_like.index.calls import _NO_VALUES as NO_VALUES
from fleche_like.storage import BackendCallStorage, PerKeyLockMixin, SerializingMixin
from fleche_like.support.sentinel import MISSING
from fleche_like.testing.call_storage import CallStorageSuite, call_of


class TestInAFile(CallStorageSuite):
    def make(self, tmp_path):
        return SqlCallStorage(f"sqlite:///{tmp_path}/index.db")


class TestInMemory(CallStorageSuite):
    def make(self, tmp_path):
        return SqlCallStorage("sqlite://")

    test_a_pickled_storage_still_works = None  # type: ignore[assignment]  # contents stay behind


class TestWithRecordsInFiles(CallStorageSuite):
    def make(self, tmp_path):
        return SqlCallStorage(
            f"sqlite:///{tmp_path}/index.db", records=LocalBackend(tmp_path / "records")
        )


class TestBehindLocks(CallStorageSuite):
    def make(self, tmp_path):
        return Locked(f"sqlite:///{tmp_path}/index.db")


class TestWithoutAnIndex(CallStorageSuite):
    def make(self, tmp_path):
        return BackendCallStorage(MemoryBackend())

    test_a_pickled_storage_still_works = None  # type: ignore[assignment]  # contents stay behind


class Locked(SerializingMixin, PerKeyLockMixin, SqlCallStorage):
    pass


@pytest.fixture
def storage(tmp_path):
    storage = SqlCallStorage(f"sqlite:///{tmp_path}/index.db")
    yield storage
    storage.close()


def plans(storage, act):
    """Return the plans of all statements that an action runs."""
    driver = storage.database._driver
    found: list[str] = []
    connection = driver.connect()

    def explained(original):
        def run(held, text, params):
            if text.startswith(("SELECT", "DELETE", "UPDATE")):
                found.extend(
                    row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", params)
                )
            return original(held, text, params)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in ("one", "all", "cursor"):
            patch.setattr(driver, name, explained(getattr(driver, name)))
        patch.setattr(storage.database, "_one", driver.one)
        act()
    connection.close()
    return found


def consume(storage, *conditions, template=None, order=(), limit=None):
    selection = Selection(template or QueryCall(), conditions, order, limit)
    return lambda: (list(storage.select(selection, NO_VALUES)), storage.count(selection, NO_VALUES))


def test_nothing_that_names_what_it_seeks_scans(storage):
    storage.save_many(call_of(number, step=number, tag=f"t{number}") for number in range(500))
    for number in range(500, 505):
        storage.save(call_of(number, step=number))  # late: not in the index yet
    key = call_of(7).key
    hit = call_of(7)
    acts = {
        "lookup": lambda: storage.lookup(key),
        "load": lambda: storage.load(key[:9]),
        "contains": lambda: storage.contains(key),
        "expand": lambda: storage.expand(key[:9]),
        "shrink": lambda: storage.shrink(key),
        "shrink many": lambda: storage.shrink(*(call_of(n).key for n in range(40))),
        "generation": storage.generation,
        "by scalar": consume(storage, template=QueryCall(name="train", arguments={"n": 7})),
        "by value": consume(storage, template=QueryCall(arguments={"items": [7]})),
        "by digest": consume(storage, template=QueryCall(arguments={"n": hit.arguments["n"]})),
        "by short digest": consume(
            storage, template=QueryCall(arguments={"items": type(key)(hit.arguments["items"][:8])})
        ),
        "by result": consume(storage, template=QueryCall(result=[7])),
        "by metadata": consume(storage, template=QueryCall(metadata={"step": 7})),
        "range": consume(storage, arg("n") > 490),
        "ordered range": consume(storage, arg("n") > 3, order=(arg("n").asc(),), limit=20),
        "prefix": consume(storage, meta("tag").startswith("t49")),
        "membership": consume(storage, arg("n").in_([1, 2, 3])),
        "either": consume(storage, (arg("n") == 3) | (meta("step") == 4)),
        "result": consume(storage, result() == [8]),
        "many results": consume(storage, result().in_([[8], [9]]) | (result() > 3)),
        "metadata of a late call": consume(storage, meta("step") == 503),
        "derive": storage._late.derive,
        "evict": lambda: storage.evict(key),
    }
    scans = {
        name: found
        for name, act in acts.items()
        if (
            found := [
                step
                for step in plans(storage, act)
                if step.startswith("SCAN") and "anon_1" not in step
            ]
        )
    }
    assert scans == {}


def test_an_ordered_range_stops_at_its_limit(storage):
    storage.save_many(call_of(number) for number in range(300))
    steps = plans(storage, consume(storage, arg("n") > 3, order=(arg("n").desc(),), limit=20))
    assert any("ix_arguments_name_num_call" in step for step in steps)
    assert not any(step == "USE TEMP B-TREE FOR ORDER BY" for step in steps)


def counting(run, counted):
    def counted_run(connection, text, params):
        counted.append(text)
        return run(connection, text, params)

    return counted_run


def test_a_query_runs_as_many_statements_over_a_thousand_calls_as_over_ten(storage):
    def statements(count):
        storage.save_many(call_of(number) for number in range(count))
        driver = storage.database._driver
        counted: list[str] = []
        for name in ("one", "all", "cursor"):
            original = getattr(type(driver), name)
            setattr(driver, name, counting(original, counted))
        storage.database._one = driver.one
        assert len(list(storage.query(QueryCall(name="train")))) == count
        return len(counted)

    assert statements(10) == statements(1000)


def test_the_generation_grows_when_something_ceases_to_be_and_only_then(storage):
    generations = [storage.generation()]

    def after(act):
        act()
        generations.append(storage.generation())
        return generations[-1] - generations[-2]

    assert after(lambda: storage.save(call_of(1))) == 0
    assert after(lambda: storage.save(call_of(1))) == 0
    assert after(lambda: storage.save(call_of(1, changed=True))) > 0
    assert after(lambda: storage.evict(call_of(1).key)) > 0
    assert after(lambda: storage.evict(call_of(1).key)) == 0


def test_blobs_and_rows_roll_back_together(storage):
    with pytest.raises(ZeroDivisionError), storage.transaction():  # noqa: PT012 - the block is it
        storage.save(call_of(1, new_name=1))
        raise ZeroDivisionError
    assert not storage.contains(call_of(1).key)
    assert storage.lookup(call_of(1).key) is MISSING
    # The ids of names that were rolled back must not be used.
    storage.save(call_of(1, new_name=1))
    assert len(list(storage.query(QueryCall(metadata={"new_name": 1})))) == 1


class InRows:
    """Records as the rows of their calls hold them."""

    def __init__(self, storage):
        self.path = storage.database.path

    def execute(self, statement, parameters):
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement, parameters).fetchone()

    def read(self, key):
        return self.execute("SELECT record FROM calls WHERE key = ?", (key,))[0]

    def write(self, key, data):
        self.execute("UPDATE calls SET record = ? WHERE key = ?", (data, key))

    def quarantined(self, where):
        return self.execute("SELECT data FROM blobs WHERE key = ?", (f"quarantine/{where}",))[0]


class Elsewhere:
    """Records in a byte backend."""

    def __init__(self, storage):
        self.backend = storage._records

    def read(self, key):
        return self.backend.get_bytes(path_of(key))

    def write(self, key, data):
        self.backend.put_bytes(path_of(key), data)

    def quarantined(self, where):
        return self.backend.get_bytes(f"quarantine/{where}")


def path_of(key):
    return f"calls/{key[:2]}/{key[2:4]}/{key}"


@pytest.fixture(params=["in rows", "elsewhere"])
def stored(request, tmp_path):
    elsewhere = request.param == "elsewhere"
    url = f"sqlite:///{tmp_path / 'records.db'}"
    with contextlib.closing(
        SqlCallStorage(url, records=MemoryBackend() if elsewhere else None)
    ) as storage:
        yield storage, Elsewhere(storage) if elsewhere else InRows(storage)


def test_a_damaged_record_is_put_aside_and_can_be_saved_again(stored, caplog):
    storage, records = stored
    key = storage.save(call_of(1))
    data = bytearray(records.read(key))
    data[len(data) // 2] ^= 1
    records.write(key, bytes(data))
    with pytest.raises(DamagedEnvelope):
        storage.load(key)
    with caplog.at_level(logging.WARNING):
        assert list(storage.query(QueryCall())) == []
        assert storage.lookup(key) is MISSING
    assert records.quarantined(path_of(key)) == data
    assert not storage.contains(key)
    storage.save(call_of(1))
    assert storage.lookup(key) == call_of(1)


def test_a_swapped_record_is_damage(stored):
    storage, records = stored
    one, two = storage.save(call_of(1)), storage.save(call_of(2))
    records.write(one, records.read(two))
    assert storage.lookup(one) is MISSING
    assert storage.lookup(two) == call_of(2)


def test_a_record_in_a_general_envelope_is_read(stored):
    storage, records = stored
    key = storage.save(call_of(1))
    records.write(key, b"".join(seal(key, "record", Encoded(encode_record(call_of(1))))))
    assert storage.load(key) == call_of(1)
    records.write(key, b"".join(seal(key, "pickle", Encoded(encode_record(call_of(1))))))
    with pytest.raises(DamagedEnvelope, match="pickle"):
        storage.load(key)


def test_read_only_reads_and_refuses_to_write(storage):
    storage.save(call_of(1))
    reader = SqlCallStorage(str(storage.database.url), read_only=True)
    assert reader.load(call_of(1).key) == call_of(1)
    for act in (lambda: reader.save(call_of(2)), lambda: reader.evict(call_of(1).key)):
        with pytest.raises(ReadOnlyError):
            act()
    reader.close()


def test_a_full_disk_loses_nothing_that_was_there(storage):
    storage.save_many(call_of(number) for number in range(50))
    connection = storage.database._pool.idle[-1]
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(OSError, match="full") as caught:
        storage.save_many(call_of(number) for number in range(50, 500))
    assert caught.value.errno == 28
    assert len(list(storage.list())) == 50
    storage.save(call_of(60))
    assert len(list(storage.query(QueryCall()))) == 51


def test_names_of_any_kind_stay_apart(storage):
    names = ["a", "A", "a ", "", "\0", "\ud800", "x" * 300, "x" * 300 + "y", "\\", "é", "a%", "a_"]
    for name in names:
        storage.save(Call(name, {name: 1}, module=name, version=name).digested())
    for name in names:
        template = QueryCall(name=name, module=name, version=name, arguments={name: 1})
        assert [call.name for call in storage.query(template)] == [name]


def test_a_manifest_is_stored_once(storage):
    code, parts = (
        digest("code"),
        {"m.f": digest("f"), "m.helper": digest("h"), "\ud800": digest("s")},
    )
    assert storage.manifest(code) == {}
    storage.save_manifest(code, parts)
    storage.save_manifest(code, parts)
    assert list(storage.manifest(code).values()) == list(parts.values())
    assert list(storage.manifest(code))[:2] == ["m.f", "m.helper"]


def test_late_calls_are_found_by_whoever_asks_and_indexed_at_the_end(tmp_path):
    url = f"sqlite:///{tmp_path}/index.db"
    writer, reader = SqlCallStorage(url), SqlCallStorage(url, read_only=True)
    for number in range(20):
        writer.save(call_of(number, step=number))
    writer.save(call_of(3, step="again"))
    writer.evict(call_of(19).key)
    writer.save(call_of(20))
    for _ in range(2):  # late, then indexed
        assert [call.key for call in reader.select(_steps(17, 18), NO_VALUES)] == [
            call_of(18).key,
            call_of(17).key,
        ]
        assert reader.count(_steps(3, 3), NO_VALUES) == 0
        assert len(list(reader.query(QueryCall(metadata={"step": "again"})))) == 1
        assert reader.count(Selection(QueryCall(name="train")), NO_VALUES) == 20
        assert reader.count(Selection(QueryCall(name="train"), limit=3, offset=18), NO_VALUES) == 2
        writer.close()
    assert writer._late is not None
    assert writer._late.pending().calls == []
    reader.close()


def _steps(first, last):
    between = (meta("step") >= first, meta("step") <= last)
    return Selection(QueryCall(name="train"), between, (meta("step").desc(),), limit=5)


@pytest.mark.parametrize("before", ["late", "indexed"])
@pytest.mark.parametrize("meanwhile", ["save", "derive", "save and derive", "another with its id"])
def test_what_happens_between_the_steps_of_a_query_is_no_wrong_answer(
    storage, monkeypatch, before, meanwhile
):
    """Two statements read late calls and index: whoever writes in between must not matter."""
    for number in range(5):
        storage.save(call_of(number))
    if before == "indexed":
        storage._late.derive()
    read = storage._late.pending

    def read_and_more():
        found = read()
        if meanwhile == "another with its id":
            storage.evict(call_of(4).key)
        if meanwhile != "derive":
            storage.save(call_of(7))
        if "derive" in meanwhile:
            storage._late.derive()
        return found

    monkeypatch.setattr(storage._late, "pending", read_and_more)
    not_seven = Selection(QueryCall(name="train"), (~(arg("n") == 7),))
    found = [call.key for call in storage.select(not_seven, NO_VALUES)]
    certain = {call_of(number).key for number in range(4)}
    assert len(found) == len(set(found))
    assert certain <= set(found) <= certain | {call_of(4).key}


def test_a_bulk_save_leaves_nothing_late_and_nothing_to_look_through(storage):
    storage.save(call_of(0))
    storage.save_many(call_of(number) for number in range(10))
    assert storage._late.pending().calls == []
    assert storage.database.read_one(storage._late._watermark) == (
        10,
    )  # else queries pass over the rest


@pytest.fixture
def few_late(monkeypatch):
    monkeypatch.setattr(late, "MOST_LATE", 40)
    return 40


def test_calls_do_not_stay_late_for_ever(storage, few_late):
    for number in range(3 * few_late):
        storage.save(call_of(number))
    assert len(storage._late.pending().calls) <= few_late


def test_what_cannot_be_indexed_now_is_stored_all_the_same(storage, few_late, monkeypatch, caplog):
    tries = []

    def fail(*_):
        tries.append(1)
        raise OSError(28, "full")

    monkeypatch.setattr(storage._late, "_insert_children", fail)
    for number in range(few_late + 10):
        storage.save(call_of(number))
    assert "not indexed yet" in caplog.text
    assert len(tries) == 1  # and not one at every save
    assert len(list(storage.query(QueryCall(name="train")))) == few_late + 10
    monkeypatch.undo()
    monkeypatch.setattr(late, "MOST_LATE", few_late)
    storage._late._not_before = 0.0
    storage.save(call_of(few_late + 10))
    assert storage._late.pending().calls == []


def test_a_call_takes_less_than_800_bytes(storage):
    def runtime(number):
        return {"started": f"2026-01-01T00:00:{number:06d}", "walltime": number / 7, "cputime": 0.1}

    storage.save_many(
        Call(
            "package.train",
            {"alpha": number / 3, "steps": number, "solver": f"s{number % 7}"},
            "package.module",
            code=digest("code"),
            result=number * 1.5,
            metadata={"runtime": runtime(number)},
        ).digested()
        for number in range(10_000)
    )
    storage.database.write(storage.database.prepare(sa.text("PRAGMA wal_checkpoint(TRUNCATE)")))
    assert storage.size_bytes() / 10_000 < 800


def test_records_of_one_database_and_blobs_of_another_do_not_mix(tmp_path):
    from fleche_like.backends import DatabaseBackend

    records = DatabaseBackend(f"sqlite:///{tmp_path}/records.db")
    storage = SqlCallStorage(Database(f"sqlite:///{tmp_path}/index.db"), records=records)
    storage.save(call_of(1))
    assert list(records.list_prefix("calls/", recursive=True))
    assert storage.load(call_of(1).key) == next(iter(storage.query(QueryCall())))
    storage.database.close()
    records.close()
