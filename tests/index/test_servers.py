"""The call storage on database servers: everything that the suite asks of any call storage."""

from __future__ import annotations

from fleche_like.index import SqlCallStorage
from fleche_like.testing.call_storage import CallStorageSuite
from tests import servers


@servers.needs_postgresql
class TestOnPostgreSQL(CallStorageSuite):
    def make(self, tmp_path):
        return SqlCallStorage(servers.postgresql_url())


@servers.needs_mariadb
class TestOnMariaDB(CallStorageSuite):
    def make(self, tmp_path):
        return SqlCallStorage(servers.mariadb_url())
