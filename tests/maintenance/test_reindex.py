"""Rebuilding an index: what was lost comes back, whoever interrupts, reads or writes meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
import sqlalchemy as sa

from fleche_like.backends import LocalBackend
from fleche_like.backends.database import DatabaseBackend
from fleche_like.calls import QueryCall
from fleche_like.database import Database
from fleche_like.index import SqlCallStorage, downgrade, rebuilding, upgrade
from fleche_like.maintenance import reindex
from fleche_like.testing.call_storage import call_of
from tests.index.databases import DIALECTS, empty


@pytest.fixture(params=DIALECTS)
def url(request, tmp_path):
    return empty(request.param, tmp_path)


def filled(url, count=40, **options):
    storage = SqlCallStorage(url, **options)
    storage.save_many(call_of(number, step=number) for number in range(count))
    return storage


def damage(storage):
    """Remove and spoil rows, as no operation of ours would."""
    for text in (
        "DELETE FROM arguments",
        "DELETE FROM metadata WHERE num > 5",
        "UPDATE calls SET num = 1, kind = 0, cost = 3 WHERE kind >= 0",
    ):
        storage.database.write(storage.database.prepare(sa.text(text)))


def dump(storage):
    """Return all rows, without ids."""
    text = (
        "SELECT c.{key}, n.name, a.value, a.kind, a.num, a.text, c.kind, c.num, c.cost FROM calls c"
        " JOIN arguments a ON a.{call} = c.id JOIN names n ON n.id = a.name"
        " UNION ALL SELECT c.{key}, n.name, NULL, m.kind, m.num, m.text, 0, 0, 0 FROM calls c"
        " JOIN metadata m ON m.{call} = c.id JOIN names n ON n.id = m.name"
    )
    quote = "`{}`" if storage.database.dialect == "mariadb" else '"{}"'
    text = text.format(key=quote.format("key"), call=quote.format("call"))
    return sorted(map(repr, storage.database.read(storage.database.prepare(sa.text(text)))))


def finds_all(storage, count):
    return [
        number
        for number in range(count)
        if [call.key for call in storage.query(QueryCall(arguments={"n": number}))]
        != [call_of(number).key]
    ] == []


def test_spoiled_rows_are_what_they_were(url, monkeypatch):
    monkeypatch.setattr(rebuilding, "BATCH", 7)
    storage = filled(url)
    before = dump(storage)
    damage(storage)
    assert not finds_all(storage, 40)
    assert reindex(url).derived == 40
    assert dump(storage) == before
    assert finds_all(storage, 40)
    storage.close()


def test_records_without_rows_are_adopted(url):
    storage = filled(url)
    storage.close()
    downgrade(url, "base")
    upgrade(url)
    found = reindex(url)
    assert (found.derived, found.adopted, found.lost) == (0, 40, 0)
    storage = SqlCallStorage(url)
    assert finds_all(storage, 40)
    assert list(DatabaseBackend(storage.database).list_prefix("calls", recursive=True)) == []
    storage.close()


def test_records_elsewhere_are_indexed_and_rows_without_one_removed(url, tmp_path):
    records = LocalBackend(tmp_path / "records")
    storage = filled(url, records=records)
    gone, lost = call_of(3).key, call_of(4).key
    records.delete(f"calls/{gone[:2]}/{gone[2:4]}/{gone}")
    storage.close()
    database = Database(url)
    remove = "DELETE FROM {} WHERE {} = (SELECT id FROM calls WHERE calls.key = :key)"
    for table in ("arguments", "metadata"):
        text = sa.text(remove.format(table, f"{table}.call"))
        database.write(database.prepare(text, ("key",)), (lost,))
    text = sa.text("DELETE FROM calls WHERE calls.key = :key")
    database.write(database.prepare(text, ("key",)), (lost,))
    database.close()
    found = reindex(url, records=records)
    assert (found.derived, found.adopted, found.lost) == (38, 1, 1)
    storage = SqlCallStorage(url, records=records)
    assert storage.contains(lost)
    assert not storage.contains(gone)
    storage.close()


def test_a_damaged_record_is_put_aside(url):
    storage = filled(url, 3)
    key = call_of(1).key
    text = sa.text("UPDATE calls SET record = :data WHERE calls.key = :key")
    storage.database.write(storage.database.prepare(text, ("data", "key")), (b"\x93Rwrong", key))
    assert reindex(url).lost == 1
    assert not storage.contains(key)
    blobs = DatabaseBackend(storage.database)
    assert blobs.get_bytes(f"quarantine/calls/{key[:2]}/{key[2:4]}/{key}") == b"\x93Rwrong"
    storage.close()


def killed_after(steps, url):
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        signal.alarm(60)
        database = Database(url)
        rebuilder = rebuilding.Rebuilder(SqlCallStorage(database))
        rebuilder.begin()
        for count, _ in enumerate(rebuilder.steps(), 1):
            if count == steps:
                os.kill(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(1)


def test_an_interrupted_rebuilding_goes_on_where_it_was(url, monkeypatch):
    monkeypatch.setattr(rebuilding, "BATCH", 7)
    storage = filled(url)
    before = dump(storage)
    damage(storage)
    assert killed_after(3, url) == -signal.SIGKILL
    assert reindex(url).derived == 40 - 21
    assert dump(storage) == before
    assert reindex(url).derived == 40
    storage.close()


def test_readers_and_writers_go_on_meanwhile(url, monkeypatch):
    monkeypatch.setattr(rebuilding, "BATCH", 7)
    storage = filled(url)
    stop, failures, rounds = threading.Event(), [], []

    def read():
        try:
            while not stop.is_set():
                assert finds_all(storage, 12)
                rounds.append(1)
        except BaseException as error:
            failures.append(error)

    def write():
        try:
            for number in range(1000, 1040):
                storage.save(call_of(number % 40, again=number))
                storage.save(call_of(number))
                time.sleep(0.005)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    workers = [threading.Thread(target=reindex, args=(url,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    threads[1].join()
    stop.set()
    threads[0].join()
    assert failures == []
    assert rounds
    assert len(list(storage.list())) == 80
    assert finds_all(storage, 40)
    storage.close()
