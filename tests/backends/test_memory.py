"""Bytes in memory: what goes beyond the shipped contract."""

from __future__ import annotations

from fleche_like.backends import MemoryBackend


def test_containers_vanish_with_their_last_key() -> None:
    backend = MemoryBackend()
    for key in ("a/b/c", "a/b/d", "a/x", "y"):
        backend.put_bytes(key, b"")
    backend.delete("a/b/c")
    assert list(backend.list_prefix("a")) == ["a/b/", "a/x"]
    backend.delete("a/b/d")
    assert list(backend.list_prefix("a")) == ["a/x"]
    backend.delete("a/x")
    assert list(backend.list_prefix("")) == ["y"]


def test_every_backend_is_a_place_of_its_own() -> None:
    first, second = MemoryBackend(), MemoryBackend()
    assert first.url != second.url
    first.put_bytes("k", b"")
    assert not second.exists("k")
