"""The call storage on database servers: everything that the suite asks of any call storage."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from fleche_like import open_cache
from fleche_like.calls import Call
from fleche_like.database import Database
from fleche_like.errors import ReadOnlyError
from fleche_like.index import SqlCallStorage, check
from fleche_like.testing.call_storage import CallStorageSuite, call_of
from tests import servers
from tests.index.databases import DIALECTS, empty


@servers.needs_postgresql
class TestOnPostgreSQL(CallStorageSuite):
    def make(self, tmp_path):
        return SqlCallStorage(servers.postgresql_url())


@servers.needs_mariadb
class TestOnMariaDB(CallStorageSuite):
    def make(self, tmp_path):
        return SqlCallStorage(servers.mariadb_url())


@servers.needs_mariadb
def test_a_mariadb_that_is_called_mysql_is_known_by_its_version():
    storage = SqlCallStorage(servers.mariadb_url().replace("mariadb+", "mysql+", 1))
    key = storage.save(call_of("é "))
    assert storage.load(key) == call_of("é ")
    assert check(storage.database) == []
    storage.close()


@pytest.fixture(params=[*DIALECTS[1:]])
def server_url(request, tmp_path):
    return empty(request.param, tmp_path)


def test_a_read_only_storage_on_a_server_refuses_to_write(server_url):
    SqlCallStorage(server_url).close()
    storage = SqlCallStorage(server_url, read_only=True)
    assert list(storage.list()) == []
    with pytest.raises(ReadOnlyError):
        storage.save(call_of(1))
    storage.close()


def test_the_server_itself_refuses_what_a_read_only_session_writes(server_url):
    SqlCallStorage(server_url).close()
    database = Database(server_url, read_only=True)
    remove = database.prepare(sa.text("DELETE FROM state"))
    with pytest.raises(ReadOnlyError):
        database.read(remove)
    database.close()


def test_a_cache_on_a_server_keeps_calls_and_values(server_url):
    cache = open_cache(server_url)
    key = cache.save(Call("f", {"x": 1}, result={"large": "y" * 100_000}))
    cache.close()
    cache = open_cache(server_url)
    assert cache.load(key).result == {"large": "y" * 100_000}
    assert cache.query(name="f").count() == 1
    cache.close()
