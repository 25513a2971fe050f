"""A fresh embedded cache for every test."""

from __future__ import annotations

import sys

import pytest

import fleche_like as fl
from tests.memo.projects import Project


@pytest.fixture
def cache(tmp_path):
    with fl.open_cache(tmp_path / "cache") as opened:
        yield from in_every_thread(opened)


@pytest.fixture(params=["tier on", "tier off"])
def either_cache(request, tmp_path):
    """With and without the memory tier, which must never be seen in an answer."""
    memory_bytes = 2**24 if request.param == "tier on" else 0
    with fl.open_cache(tmp_path / "cache", memory_bytes=memory_bytes) as opened:
        yield from in_every_thread(opened)


@pytest.fixture(scope="module")
def shared_memory_cache():
    with fl.open_cache("memory://") as opened:
        yield opened


@pytest.fixture
def memory_cache(shared_memory_cache):
    """An empty cache that is quick to get, where it is not the subject."""
    yield from in_every_thread(shared_memory_cache)
    shared_memory_cache.query().evict()


@pytest.fixture(scope="module")
def other_memory_cache():
    with fl.open_cache("memory://") as opened:
        yield opened


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Project(folder)
    yield made
    made.unload()


def in_every_thread(cache):
    fl.set_cache(cache)
    try:
        yield cache
    finally:
        fl.set_cache(None)
