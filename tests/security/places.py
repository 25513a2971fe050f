"""Caches as somebody sees them who may write to everything but lacks the keys."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import xxhash

import fleche_like as fl
from fleche_like.cache import Cache
from fleche_like.codecs import PickleCodec, seal
from fleche_like.storage.layout import path
from fleche_like.storage.records import seal_record

LAYOUTS = ("folder", "database", "elsewhere", "budgeted")


class Place:
    """One cache, opened as often as wanted, and ways to write to it behind its back."""

    def __init__(self, layout: str, folder: Path) -> None:
        self.layout = layout
        self.folder = folder

    def open(self, **options: Any) -> Cache:
        if self.layout in ("folder", "budgeted"):
            usual = {
                "inline_bytes": 2000,
                "max_items": 10**6 if self.layout == "budgeted" else None,
            }
            return fl.open_cache(self.folder, **usual | options)
        values = self.folder / "values-here" if self.layout == "elsewhere" else None
        return fl.open_cache(f"sqlite:///{self.database}", values=values, **options)

    @property
    def database(self) -> Path:
        return self.folder / "index.db"

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        connection = sqlite3.connect(self.database, timeout=30)
        try:
            with connection:
                return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def files(self) -> Iterator[Path]:
        names = (p for p in self.folder.rglob("*") if p.is_file() and len(p.name) == 32)
        return (p for p in names if "quarantine" not in p.parts)

    def value(self, digest: str) -> bytes:
        """Return the stored bytes of a value."""
        for file in self.files():
            if file.name == digest:
                return file.read_bytes()
        ((data,),) = self.sql("SELECT data FROM blobs WHERE key = ?", path("values/", digest))
        return bytes(data)

    def plant(self, digest: str, data: bytes) -> None:
        """Write bytes where those of a value are, or would be."""
        for file in self.files():
            if file.name == digest:
                file.write_bytes(data)
                return
        key = path("values/", digest)
        if not self.sql("UPDATE blobs SET data = ? WHERE key = ? RETURNING key", data, key):
            raise AssertionError(f"no value {digest}")

    def record(self, key: str) -> bytes:
        ((data,),) = self.sql("SELECT record FROM calls WHERE key = ?", key)
        return bytes(data)

    def plant_record(self, key: str, data: bytes) -> None:
        self.sql("UPDATE calls SET record = ? WHERE key = ?", data, key)


def envelope(value: Any, digest: str, signer: Any = None) -> bytes:
    """Return a value as anybody can seal it."""
    return b"".join(seal(digest, "pickle", PickleCodec().encode(value), signer))


def unsigned_record(call: Any) -> bytes:
    return seal_record(call)


class Bomb:
    """What runs code when it is unpickled; a class of pickle's own trust, not of this module."""

    fired: ClassVar[list[str]] = []

    def __reduce__(self) -> Any:
        return explode, ("boom",)


def explode(what: str) -> str:
    Bomb.fired.append(what)
    return what


def bomb(digest: str) -> bytes:
    """Return a sound envelope, as anybody can make it, whose pickle runs code."""
    return envelope(Bomb(), digest)


def rechecked(key: str, magic: bytes, content: bytes) -> bytes:
    """Return a short record with a checksum that fits."""
    name = key.encode()
    return magic + xxhash.xxh3_128_digest(name + content, len(name)) + content


def unpicklable(*_: Any, **__: Any) -> Any:
    raise AssertionError("something was unpickled")


def forbid_pickles(monkeypatch: Any) -> None:
    """Let every way to unpickle fail the test."""
    for name in ("loads", "load", "Unpickler", "_Unpickler", "_loads", "_load"):
        monkeypatch.setattr(pickle, name, unpicklable)
