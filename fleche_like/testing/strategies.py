"""Hypothesis strategies over values that the digest knows, for property tests of your own too.

Needs ``hypothesis``. Libraries are imported where their values are asked for; :func:`all_values`
draws from those that are installed.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import enum
import functools
import importlib.util
import ipaddress
import operator
import pathlib
import random
import re
import types
from collections.abc import Callable
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


@dataclasses.dataclass
class Record:
    """A dataclass with a field that comparison ignores."""

    x: Any
    hidden: Any = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(slots=True, frozen=True)
class Frozen:
    """A frozen dataclass with slots."""

    x: Any


class Instance:
    """An ordinary class; equal instances have equal attributes."""

    def __init__(self, **names: Any) -> None:
        self.__dict__.update(names)


class Words(list[Any]):
    """A subclass of a builtin container."""


class Count(int):
    """A subclass of a builtin scalar."""


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
    """Values of standard-library types other than the plain ones; all can be copied and pickled."""
    return st.one_of(
        st.decimals(),
        st.fractions(),
        _moments(),
        st.uuids(),
        st.sampled_from([*Colour, *map(Access, range(4)), Colour, Record, list[int], int | None]),
        _addresses(),
        _instances(),
        st.builds(range, *[st.integers(-50, 50)] * 2, st.integers(1, 5)),
        st.builds(slice, st.integers() | st.none(), st.integers()),
        st.binary(max_size=8).map(bytearray),
        texts().filter(lambda s: "\0" not in s).map(pathlib.PurePosixPath),
        st.sampled_from(["a", "c:/x", "x/y"]).map(pathlib.PureWindowsPath),
        st.lists(st.floats(width=32), max_size=4).map(functools.partial(array.array, "f")),
        st.integers(0, 9).map(random.Random),
        st.builds(re.compile, st.sampled_from(["a", "b+"]), st.sampled_from([0, re.IGNORECASE])),
        st.sampled_from([len, str.upper, [1].append, operator.itemgetter(1), ..., NotImplemented]),
        _collections(),
    )


def _moments() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.datetimes(timezones=st.none() | st.timezones()),
        st.builds(dt.datetime.replace, st.datetimes(), fold=st.integers(0, 1)),
        st.dates(),
        st.times(),
        st.timedeltas(),
        st.timezones(),
        st.timedeltas(-dt.timedelta(hours=23), dt.timedelta(hours=23)).map(dt.timezone),
    )


def _addresses() -> st.SearchStrategy[Any]:
    numbers, lengths = st.integers(0, 2**32 - 1), st.integers(0, 32)
    pairs = st.tuples(numbers, lengths)
    return st.one_of(
        st.ip_addresses(),
        pairs.map(ipaddress.IPv4Interface),
        pairs.map(functools.partial(ipaddress.IPv4Network, strict=False)),
    )


def _instances() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(Point, scalars(), scalars()),
        st.builds(Record, scalars(), scalars()),
        st.builds(Frozen, scalars()),
        st.builds(Instance, a=scalars(), b=scalars()),
        st.builds(types.SimpleNamespace, a=scalars()),
        st.lists(scalars(), max_size=3).map(Words),
        st.integers().map(Count),
        st.builds(ValueError, scalars()),
        st.builds(functools.partial, st.just(int), base=st.integers(2, 9)),
    )


def _collections() -> st.SearchStrategy[Any]:
    named = st.dictionaries(texts(), scalars(), max_size=4)
    return st.one_of(
        st.frozensets(scalars(), max_size=5),
        st.sets(scalars(), max_size=5),
        st.sets(st.frozensets(scalars(), max_size=2) | st.tuples(scalars()), max_size=3),
        st.builds(
            collections.deque, st.lists(scalars(), max_size=4), st.none() | st.integers(0, 5)
        ),
        named.map(collections.OrderedDict),
        st.builds(collections.defaultdict, st.sampled_from([list, int, None]), named),
        st.lists(texts(), max_size=6).map(collections.Counter),
        st.lists(named, max_size=3).map(lambda maps: collections.ChainMap(*maps)),
        named.map(collections.UserDict),
    )


def _view(content: bytes) -> memoryview:
    return memoryview(content)


def unpicklable_values() -> st.SearchStrategy[Any]:
    """Values that have an identity, though they can be neither copied nor pickled."""
    return st.one_of(
        st.binary(max_size=8).map(_view),
        st.dictionaries(texts(), scalars(), max_size=4).map(types.MappingProxyType),
        scalars().map(types.CellType),
        st.sampled_from([lambda x: x, lambda x, y=1: x + y, property(len), staticmethod(len), re]),
    )


def values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Trees over scalars and values of the standard library."""
    return _trees(st.one_of(scalars(), standard_values()), max_leaves)


def all_values(max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Trees over everything that can be copied and pickled, of libraries that are installed too."""
    leaves = st.one_of(scalars(), standard_values(), library_values())
    return _trees(leaves, max_leaves)


def _trees(leaves: st.SearchStrategy[Any], max_leaves: int) -> st.SearchStrategy[Any]:
    def around(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(
            _containers(children),
            st.builds(Record, children),
            st.builds(Instance, a=children),
            st.builds(types.SimpleNamespace, a=children),
            st.lists(children, max_size=3).map(collections.deque),
        )

    return st.recursive(leaves, around, max_leaves=max_leaves)


def library_values() -> st.SearchStrategy[Any]:
    """Values of every known library that is installed."""
    return st.one_of(st.nothing(), *(make() for make in libraries().values()))


def libraries() -> dict[str, Callable[[], st.SearchStrategy[Any]]]:
    """Return the strategies of the known libraries that are installed, by module name."""
    return {name: make for name, make in _LIBRARIES.items() if importlib.util.find_spec(name)}


def arrays(*, foreign: bool = False) -> st.SearchStrategy[Any]:
    """NumPy arrays of up to three dimensions, empty ones and 0-d included; needs NumPy.

    Args:
        foreign: draw arrays of swapped bytes too; NumPy makes those native when it pickles them.
    """
    from hypothesis.extra import numpy as hnp

    dtypes = st.one_of(
        hnp.scalar_dtypes(),
        hnp.array_dtypes(hnp.integer_dtypes() | hnp.floating_dtypes(sizes=(32, 64)), max_size=3),
    )
    if not foreign:
        dtypes = dtypes.map(lambda dtype: dtype.newbyteorder("="))
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return dtypes.flatmap(lambda dtype: hnp.arrays(dtype, shapes))


def _numpy() -> st.SearchStrategy[Any]:
    import numpy as np

    numbers = st.lists(st.floats(), max_size=4)
    masks = st.lists(st.booleans(), min_size=3, max_size=3)
    return st.one_of(
        arrays(),
        numbers.map(np.array).map(lambda a: a[::2]),
        st.floats().map(np.float64),
        st.floats(width=32).map(np.float32),
        st.integers(0, 255).map(np.uint8),
        masks.map(lambda mask: np.ma.masked_array([1, 2, 3], mask)),
        st.lists(st.one_of(scalars(), st.tuples(scalars())), max_size=3).map(_object_array),
        st.integers(0, 9).map(np.random.default_rng),
    )


def _object_array(items: list[Any]) -> Any:
    import numpy as np

    made = np.empty(len(items), dtype=object)
    made[:] = items
    return made


def _columns() -> st.SearchStrategy[Any]:
    """Columns of equal length, as most table libraries take them."""

    def of(length: int) -> st.SearchStrategy[Any]:
        def column(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
            return st.lists(items | st.none(), min_size=length, max_size=length)

        cells = [st.integers(-(2**40), 2**40), st.floats(), st.booleans(), st.sampled_from("abc")]
        return st.dictionaries(st.sampled_from("pqrs"), st.one_of(*map(column, cells)), max_size=3)

    return st.integers(0, 4).flatmap(of)


def _pandas() -> st.SearchStrategy[Any]:
    import pandas as pd

    lists = st.lists(st.integers(0, 9), max_size=4)
    kinds = ["int64", "Int64", "float32", "category", "string", "Sparse[int]", object]
    return st.one_of(
        _columns().map(pd.DataFrame),
        st.builds(pd.Series, lists, dtype=st.sampled_from(kinds), name=st.sampled_from("ab")),
        lists.map(pd.Index),
        st.builds(pd.date_range, st.just("2024-01-01"), periods=st.integers(0, 3), tz=_zones()),
        st.sampled_from([pd.NA, pd.NaT, pd.Timestamp(5), pd.Timedelta(3), pd.Interval(0, 1)]),
    )


def _zones() -> st.SearchStrategy[Any]:
    return st.sampled_from([None, "UTC", "Europe/Berlin"])


def _pyarrow() -> st.SearchStrategy[Any]:
    import pyarrow as pa

    nested = st.lists(st.lists(st.integers(0, 9), max_size=3) | st.none(), max_size=3)
    return st.one_of(
        _columns().map(pa.table),
        nested.map(functools.partial(pa.array, type=pa.list_(pa.int8()))),
        st.lists(st.sampled_from("ab") | st.none(), max_size=4)
        .map(functools.partial(pa.array, type=pa.string()))
        .map(lambda a: a.dictionary_encode()),
        st.integers(0, 9).map(pa.scalar),
        st.sampled_from([pa.int8(), pa.list_(pa.int8()), pa.schema([("a", pa.string())])]),
    )


def _polars() -> st.SearchStrategy[Any]:
    import polars as pl

    strict = functools.partial(pl.DataFrame, strict=False)
    lists = st.lists(st.lists(st.integers(0, 9), max_size=3) | st.none(), max_size=3)
    return st.one_of(
        _columns().map(strict),
        st.builds(pl.Series, st.sampled_from("ab"), lists, st.just(pl.List(pl.Int64))),
        st.lists(st.sampled_from("ab") | st.none(), max_size=4).map(
            lambda items: pl.Series(items, dtype=pl.Categorical)
        ),
    )


def _scipy() -> st.SearchStrategy[Any]:
    import numpy as np
    from scipy import sparse

    cells = st.lists(st.sampled_from([0, 0, 1, 2]), min_size=6, max_size=6)
    dense = cells.map(lambda items: np.array(items).reshape(2, 3))
    formats = st.sampled_from(["csr", "csc", "coo", "dok", "lil", "dia", "bsr"])
    return st.builds(lambda grid, name: sparse.coo_array(grid).asformat(name), dense, formats)


def _torch() -> st.SearchStrategy[Any]:
    import torch

    kinds = [torch.float32, torch.float64, torch.int16, torch.bool, torch.bfloat16]
    numbers = st.lists(st.integers(0, 9), max_size=4)
    return st.builds(
        lambda items, kind: torch.tensor(items).to(kind), numbers, st.sampled_from(kinds)
    )


def _pillow() -> st.SearchStrategy[Any]:
    from PIL import Image

    sizes = st.tuples(st.integers(1, 3), st.integers(1, 3))
    return st.builds(Image.new, st.sampled_from(["RGB", "L", "1"]), sizes, st.sampled_from([0, 1]))


def _xarray() -> st.SearchStrategy[Any]:
    import xarray as xr

    numbers = st.lists(st.floats(), min_size=1, max_size=3)
    return st.one_of(
        numbers.map(lambda items: xr.DataArray(items, dims="x", attrs={"unit": "m"})),
        numbers.map(lambda items: xr.Dataset({"v": ("x", items)}, {"x": range(len(items))})),
    )


def _networkx() -> st.SearchStrategy[Any]:
    import networkx as nx

    edges = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=5)
    kinds = st.sampled_from([nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
    return st.builds(lambda kind, pairs: kind(pairs), kinds, edges)


def _sklearn() -> st.SearchStrategy[Any]:
    from sklearn.linear_model import Ridge

    fresh = st.floats(0.5, 2).map(lambda alpha: Ridge(alpha=alpha))
    return fresh | fresh.map(lambda ridge: ridge.fit([[0.0], [1.0]], [1, 2]))


_LIBRARIES: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "pyarrow": _pyarrow,
    "polars": _polars,
    "scipy": _scipy,
    "torch": _torch,
    "PIL": _pillow,
    "xarray": _xarray,
    "networkx": _networkx,
    "sklearn": _sklearn,
}
