"""Storages to test with: the plainest possible one, and ours over byte backends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fleche_like.backends import LocalBackend, MemoryBackend
from fleche_like.calls import DigestedCall
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import Digest, digest
from fleche_like.storage import (
    BackendCallStorage,
    BackendValueStorage,
    CallMixin,
    StorageBackend,
    ValueMixin,
)


@dataclass
class DictBackend(StorageBackend):
    """Objects in a dict, with nothing overridden that has a default."""

    held: dict[Digest, Any] = field(default_factory=dict)

    def list(self) -> Iterable[Digest]:
        return [*self.held]

    def _evict(self, key: Digest) -> None:
        self.held.pop(key, None)

    def put(self, value: Any, key: Digest) -> Digest:
        self.held[key] = value
        return key

    def get(self, key: Digest) -> Any:
        try:
            return self.held[key]
        except KeyError:
            raise KeyNotFound(f"{key} is not stored", key=key) from None


@dataclass
class DictValues(DictBackend, ValueMixin):
    """A value storage made by the recipe of the seed."""


@dataclass
class DictCalls(DictBackend, CallMixin):
    """A call storage made by the recipe of the seed."""


def value_storages(folder: Any) -> dict[str, Any]:
    return {
        "dict": DictValues(),
        "memory": BackendValueStorage(MemoryBackend()),
        "local": BackendValueStorage(LocalBackend(folder / "values")),
    }


def call_storages(folder: Any) -> dict[str, Any]:
    return {
        "dict": DictCalls(),
        "memory": BackendCallStorage(MemoryBackend()),
        "local": BackendCallStorage(LocalBackend(folder / "calls")),
    }


def call(name: str = "f", /, **arguments: Any) -> DigestedCall:
    return DigestedCall(name, {key: digest(value) for key, value in arguments.items()})


def digests(*starts: str) -> list[Digest]:
    return [Digest(start.ljust(32, "0")) for start in starts]
