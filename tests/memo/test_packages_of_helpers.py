"""What counts for a memoized helper counts for the function that calls it."""

from __future__ import annotations

import pytest

import fleche_like as fl
from fleche_like.memo import packages

pytestmark = pytest.mark.usefixtures("memory_cache")


@fl.memoize(packages=["xxhash"])
def helper(x):
    return x


@fl.memoize
def asks(x):
    return helper(x)


def test_the_version_of_a_package_that_a_helper_names_counts(monkeypatch):
    key = asks.key(1)
    monkeypatch.setattr(packages, "version_of", lambda name: "another")
    asks._engine.tracker._published = None  # as in the next process
    assert asks.key(1) != key
