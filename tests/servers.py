"""Real servers for tests; ``scripts/services`` starts them, and says in the environment where."""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
import uuid
from functools import cache
from typing import Any

import pytest

S3 = os.environ.get("FLECHE_TEST_S3", "")
AZURE = os.environ.get("FLECHE_TEST_AZURE", "")
POSTGRESQL = os.environ.get("FLECHE_TEST_POSTGRESQL", "")
MARIADB = os.environ.get("FLECHE_TEST_MARIADB", "")

# Azurite's own, the same everywhere and in its documentation.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


def _needs(found: str, name: str) -> pytest.MarkDecorator:
    reason = f"no {name} server: see what `scripts/services start` prints"
    return pytest.mark.skipif(not found, reason=reason)


needs_s3 = _needs(S3, "S3")
needs_azure = _needs(AZURE, "Azure")
needs_postgresql = _needs(POSTGRESQL, "PostgreSQL")
needs_mariadb = _needs(MARIADB, "MariaDB")


def s3_options(endpoint: str = S3) -> dict[str, Any]:
    """Return options of s3fs for a server on loopback."""
    return {
        "key": "test-access",
        "secret": "test-secret",
        "client_kwargs": {"endpoint_url": endpoint, "region_name": "us-east-1"},
    }


def azure_options() -> dict[str, Any]:
    """Return options of adlfs for Azurite."""
    parts = {
        "DefaultEndpointsProtocol": "http",
        "AccountName": AZURE_ACCOUNT,
        "AccountKey": AZURE_KEY,
        "BlobEndpoint": AZURE,
    }
    return {"connection_string": ";".join(f"{name}={value}" for name, value in parts.items())}


@cache
def s3_bucket() -> str:
    """Make a bucket for this process."""
    name = f"test-{uuid.uuid4().hex}"
    request = urllib.request.Request(f"{S3}/{name}", method="PUT")
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/x")
    urllib.request.urlopen(request).close()
    return name


@cache
def azure_container() -> str:
    """Make a container for this process."""
    import adlfs

    name = f"test-{uuid.uuid4().hex}"
    adlfs.AzureBlobFileSystem(**azure_options()).mkdir(name)
    return name


def postgresql_url() -> str:
    """Make a schema and return the URL of a database in which it is all there is."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(POSTGRESQL.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{POSTGRESQL}&options={urllib.parse.quote('-csearch_path=' + name)}"


def mariadb_url() -> str:
    """Make a database and return its URL. Its own character set is the one that fits least."""
    import pymysql
    from sqlalchemy.engine import make_url

    name = f"test_{uuid.uuid4().hex}"
    url = make_url(MARIADB)
    with pymysql.connect(host=url.host, port=url.port or 3306, user=url.username) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET latin1")
    return MARIADB + name
