"""A version is what a record can hold, or is refused where it is given."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest

import fleche_like as fl
from fleche_like.calls import Call, QueryCall


class Release(enum.StrEnum):
    FIRST = "1"


ODD: list[Any] = [1.2, True, (1, 2), np.int64(1), Release.FIRST]


@pytest.mark.parametrize("version", ODD)
def test_what_no_record_holds_is_no_version(version):
    """Else the call is saved, counted, and never read again: its record would be damaged."""
    with pytest.raises(fl.Indigestible, match="an int or a text, such as version='"):
        fl.memoize(version=version)
    with pytest.raises(fl.Indigestible, match="version"):
        Call("f", {"x": 1}, version=version, result=1).to_lookup_key()
    with pytest.raises(fl.Indigestible, match="version"):
        QueryCall(version=version).digested()


@pytest.mark.parametrize("version", [None, 0, -1, 2**100, "1.2", "", "\ud800"])
def test_other_versions_are_read_back(version):
    with fl.open_cache("memory://") as cache:
        key = cache.save(Call("f", {"x": 1}, version=version, result=1))
        assert cache.load(key).digested.version == version
        assert [call.key for call in cache.query(version=version)] == [key]
