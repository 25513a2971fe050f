"""Hypothesis strategies over values that the digest knows, for property tests of your own too.

Needs ``hypothesis``; nothing else here is imported beyond the standard library and NumPy where it
is asked for.
"""

from __future__ import annotations

import collections
import enum
import pathlib
from typing import Any

from hypothesis import strategies as st


class Colour(enum.Enum):
    """An enumeration to draw members from."""

    RED = 1
    GREEN = "green"


class Access(enum.Flag):
    """Flags to draw combinations from."""

    READ = 1
    WRITE = 2


Point = collections.namedtuple("Point", ["x", "y"])  # noqa: PYI024 - the untyped kind is the subject


def texts() -> st.SearchStrategy[str]:
    """Strings of any characters, lone surrogates included."""
    return st.text(st.characters(), max_size=12)


def scalars() -> st.SearchStrategy[Any]:
    """Values of the exact builtin scalar types, at their edges too."""
    edges = st.sampled_from([2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63, 2**15, 0.0, -0.0])
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(2**200), 2**200),
        edges,
        st.floats(),
        st.complex_numbers(),
        texts(),
        st.binary(max_size=12),
    )


def plain_values(max_leaves: int = 20) -> st.SearchStrategy[Any]:
    """Trees of exact builtin tuples, lists and dicts over :func:`scalars`."""
    return st.recursive(scalars(), _containers, max_leaves=max_leaves)


def _containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(children, max_size=5),
        st.lists(children, max_size=5).map(tuple),
        st.dictionaries(scalars(), children, max_size=5),
    )


def standard_values() -> st.SearchStrategy[Any]:
    """Values of standard-library types other than the plain ones."""
    return st.one_of(
        st.decimals(),
        st.fractions(),
        st.datetimes(timezones=st.none() | st.timezones()),
        st.dates(),
        st.times(),
        st.timedeltas(),
        st.uuids(),
        st.sampled_from([*Colour, *map(Access, range(4))]),
        st.ip_addresses(),
        st.builds(Point, scalars(), scalars()),
        st.builds(range, *[st.integers(-50, 50)] * 2, st.integers(1, 5)),
        st.builds(slice, st.integers() | st.none(), st.integers()),
        st.binary(max_size=8).map(bytearray),
        texts().filter(lambda s: "\0" not in s).map(pathlib.PurePosixPath),
        st.frozensets(scalars(), max_size=5),
        st.sets(scalars(), max_size=5),
        st.lists(scalars(), max_size=4).map(collections.deque),
        st.dictionaries(texts(), scalars(), max_size=4).map(collections.OrderedDict),
        st.lists(texts(), max_size=6).map(collections.Counter),
    )


def values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Trees over everything above."""
    leaves = st.one_of(scalars(), standard_values())
    return st.recursive(leaves, _containers, max_leaves=max_leaves)


def arrays() -> st.SearchStrategy[Any]:
    """NumPy arrays of up to three dimensions, empty ones and 0-d included; needs NumPy."""
    from hypothesis.extra import numpy as hnp

    dtypes = st.one_of(
        hnp.scalar_dtypes(),
        hnp.array_dtypes(hnp.integer_dtypes() | hnp.floating_dtypes(sizes=(32, 64)), max_size=3),
    )
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return dtypes.flatmap(lambda dtype: hnp.arrays(dtype, shapes))
