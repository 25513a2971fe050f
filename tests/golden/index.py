"""Frozen databases of every revision, and what is in them. Written by ``scripts/freeze-index``."""

from __future__ import annotations

import shutil
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleche_like.backends.database import DatabaseBackend
from fleche_like.calls import Call
from fleche_like.index import SqlCallStorage

FOLDER = Path(__file__).with_name("databases")
OLDEST = "0001"
SUFFIXES = {"sqlite": "db", "postgresql": "postgresql.sql", "mariadb": "mariadb.sql"}


def calls() -> list[Any]:
    """Return the calls: every kind of scalar, names and texts that databases find hard."""
    values: list[Any] = [
        *range(40),
        *(number / 7 for number in range(10)),
        None, True, False, 10**400, float("inf"), float("nan"), "", "adam", "é\U0001f600",
        "a\0b", "\ud800", "x" * 70_000, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), [1, [2]],
    ]  # fmt: skip
    return [
        Call(
            "train",
            {"n": number, "x": value, "größe": [value]},
            "lab.models",
            "1",
            None,
            value,
            {"runtime": {"walltime": number / 8}, "host": f"node{number % 3}", "step": number},
        ).digested()
        for number, value in enumerate(values)
    ]


def store(url: str) -> None:
    """Store the calls, and for half of them a result of a size of its own."""
    storage = SqlCallStorage(url)
    blobs = DatabaseBackend(storage.database)
    for number, call in enumerate(calls()):
        storage.save(call)
        if number % 2:
            digest = call.result
            blobs.put_bytes(f"values/{digest[:2]}/{digest[2:4]}/{digest}", b"v" * (100 + number))
    storage.save_manifest(
        calls()[0].key, {"lab.models.train": calls()[1].key, "größe": calls()[2].key}
    )
    storage.close()


def frozen(dialect: str, revision: str) -> Path:
    """Return the file of a frozen database."""
    return FOLDER / f"{revision}.{SUFFIXES[dialect]}"


def load(dialect: str, revision: str, url: str) -> None:
    """Bring back a frozen database at an empty place."""
    LOADERS[dialect](frozen(dialect, revision), url)


def _load_sqlite(file: Path, url: str) -> None:
    shutil.copyfile(file, url.removeprefix("sqlite:///"))


def _load_postgresql(file: Path, url: str) -> None:
    import psycopg

    parts = urllib.parse.urlsplit(url)
    schema = urllib.parse.unquote(parts.query).rpartition("search_path=")[2]
    text = file.read_text().replace("CREATE SCHEMA frozen;\n", "").replace("frozen", schema)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(text.encode())


def _load_mariadb(file: Path, url: str) -> None:
    import pymysql
    from sqlalchemy.engine import make_url

    place = make_url(url)
    connection = pymysql.connect(
        host=place.host, port=place.port or 3306, user=place.username, database=place.database
    )
    with connection, connection.cursor() as cursor:
        for statement in file.read_text().split(";\n"):
            if statement.strip():
                cursor.execute(statement)
        connection.commit()


LOADERS = {"sqlite": _load_sqlite, "postgresql": _load_postgresql, "mariadb": _load_mariadb}
