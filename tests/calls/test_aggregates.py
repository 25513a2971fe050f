"""Groups and figures of Python, which SQL has to agree with."""

from __future__ import annotations

import struct

import pytest

from fleche_like.calls import Call, Grouping, Selection, aggregate_from, count, result
from fleche_like.hashing import digest


class NoValues:
    """Nothing has to be loaded here."""

    def load_value(self, digest):
        raise KeyError(digest)


def labels(*results):
    """How the groups of calls with these results are shown."""
    calls = [
        Call("f", {"number": number}, None, result=one).digested()
        for number, one in enumerate(results)
    ]
    grouping = Grouping([result()], {"calls": count()})
    found = aggregate_from(calls, Selection(), grouping, NoValues())
    return [digest(label) for (label,), _ in grouping.figures(found)]


@pytest.mark.parametrize("bits", [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000001])
def test_a_group_of_nan_is_shown_alike_whatever_its_sign_and_payload(bits):
    (nan,) = struct.unpack("<d", struct.pack("<Q", bits))
    assert labels(nan) == [digest(float("nan"))]


def test_a_group_of_zeros_is_shown_without_a_sign():
    assert labels(-0.0) == [digest(0.0)]
