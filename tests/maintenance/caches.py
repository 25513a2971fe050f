"""Caches of several kinds, and what they hold as plain data."""

from __future__ import annotations

from fleche_like import Cache, open_cache
from fleche_like.backends import LocalBackend, MemoryBackend
from fleche_like.calls import Call
from fleche_like.storage import BackendCallStorage, BackendValueStorage

LARGE = b"large" * 20_000  # goes into a file of an embedded cache
KINDS = ("embedded", "memory", "values apart", "no index")


def open_kind(kind, folder):
    """Open a cache of a kind; those with a folder keep what they hold."""
    if kind == "embedded":
        return open_cache(folder / "embedded")
    if kind == "memory":
        return open_cache("memory://")
    if kind == "values apart":
        (folder / "apart").mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{folder / 'apart' / 'index.db'}"
        return open_cache(url, values=folder / "apart" / "values")
    if kind == "no index":
        root = LocalBackend(folder / "plain")
        return Cache(BackendValueStorage(root), BackendCallStorage(root))
    backend = MemoryBackend()
    return Cache(BackendValueStorage(backend), BackendCallStorage(backend))


def call(number, result=None, **metadata):
    """Return call ``number``: a scalar and another argument, every third result is large."""
    if result is None:
        result = LARGE + bytes([number % 256]) if number % 3 == 0 else {"number": number}
    arguments = {"number": number, "items": [number, "x"]}
    return Call("lab.work", arguments, module="lab", result=result, metadata=metadata)


def fill(cache, numbers):
    return [cache.save(call(number)) for number in numbers]


def held(cache):
    """Return all that a cache answers: results and arguments by key."""
    return {
        each.key: (each.name, dict(each.arguments), cache.lookup(each.key), dict(each.metadata))
        for each in cache.query()
    }
