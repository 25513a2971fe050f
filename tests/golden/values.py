"""The values whose digests are frozen in ``digests.json``: one thunk per name.

Only what every supported Python and platform must agree on belongs here. Values of libraries are in
``LIBRARIES``, by the library they need.
"""

from __future__ import annotations

import array
import collections
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import ipaddress
import math
import operator
import pathlib
import random
import re
import string
import struct
import time
import types
import typing
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from fleche_like.hashing import Digest


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Words(list):
    pass


class Count(int):
    pass


class Plain:
    def __init__(self, *things: Any) -> None:
        self.things = things
        self.name = "plain"

    def get(self, index=0):
        return self.things[index]


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = 1


class Stateful:
    def __getstate__(self) -> Any:
        return ("state", 1)


class Reducing:
    def __reduce__(self) -> Any:
        return Reducing, (), None, iter([1, 2]), iter([("k", 3)])


class SelfDigesting:
    def __digest__(self) -> Any:
        return {"version": 1}


@dataclasses.dataclass
class Record:
    x: int
    y: list[str] = dataclasses.field(default_factory=list, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: float = 0.5


class Wrapping(Plain):
    limit = 3
    names: typing.ClassVar[Any] = ["a", ("b", 1)]

    @property
    def doubled(self):
        return 2 * self.limit

    @functools.cached_property
    def kept(self):
        return [self.limit]

    @staticmethod
    def helper(x, y=2):
        return x * y

    @classmethod
    def made(cls):
        return cls(1)


class Table(dict):
    pass


class Metre(float):
    pass


T = typing.TypeVar("T", bound=int)
P = typing.ParamSpec("P")
Metres = typing.NewType("Metres", float)


class Generic(typing.Generic[T]):
    pass


@functools.lru_cache
def cached(x):
    return x + 1


Pair = collections.namedtuple("Pair", "left right")  # noqa: PYI024 - the untyped kind is meant


def scale(values, factor=2, *, offset=0.5):
    """Frozen by its source: what stands here must not change."""
    total = [v * factor + offset for v in values if v is not None]
    return {"sum": total, "text": f"{total!r:>{factor}}"}


def nest(inner: Any, _: int) -> Any:
    return [inner]


def make_adder(n):
    def add(x):
        return x + n

    return add


def make_recursive(limit):
    def down(k):
        return down(k - 1) if k > limit else k

    return down


VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "int zero": lambda: 0,
    "int one": lambda: 1,
    "int max32": lambda: 2**31 - 1,
    "int min32": lambda: -(2**31),
    "int over32": lambda: 2**31,
    "int under32": lambda: -(2**31) - 1,
    "int large": lambda: -(7**5000),
    "float": lambda: 1.0,
    "float zero": lambda: 0.0,
    "float minus zero": lambda: -0.0,
    "float nan": lambda: math.nan,
    "float nan payload": lambda: struct.unpack("<d", b"\1\0\0\0\0\0\xf8\x7f")[0],
    "float inf": lambda: -math.inf,
    "complex": lambda: complex(1, -0.0),
    "str empty": lambda: "",
    "str ascii": lambda: "abc",
    "str unicode": lambda: "Größe \U0001f600",
    "str surrogate": lambda: "\ud800",
    "bytes": lambda: b"\x00\xff",
    "bytes long": lambda: bytes(100_000),
    "bytearray": lambda: bytearray(b"ab"),
    "memoryview": lambda: memoryview(b"abcd"),
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "tuple empty": lambda: (),
    "tuple": lambda: (1, "a", None),
    "list empty": list,
    "list": lambda: [1, 2.0, "x"],
    "list of ints": lambda: list(range(5000)),
    "list of floats": lambda: [i / 3 for i in range(5000)],
    "list of large ints": lambda: [1 << i for i in range(2000)],
    "records": lambda: [{"id": i, "name": f"n{i}"} for i in range(1500)],
    "dict empty": dict,
    "dict": lambda: {"a": 1, 2: [3, {"b": ()}]},
    "dict reversed": lambda: {2: [3, {"b": ()}], "a": 1},
    "set": lambda: {1, "a", None, 2.5, ("x",)},
    "frozenset": lambda: frozenset("abc"),
    "set of sets": lambda: {frozenset({1, 2}), frozenset({3})},
    "deep": lambda: functools.reduce(nest, range(10_000), 0),
    "range": lambda: range(1, 10, 3),
    "slice": lambda: slice(None, 5, 2),
    "decimal": lambda: decimal.Decimal("1.50"),
    "decimal nan": lambda: decimal.Decimal("-sNaN12"),
    "fraction": lambda: fractions.Fraction(-1, 3),
    "date": lambda: dt.date(2024, 2, 29),
    "datetime": lambda: dt.datetime(2024, 2, 29, 1, 2, 3, 4),
    "datetime fold": lambda: dt.datetime(
        2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")
    ),
    "datetime utc": lambda: dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    "time": lambda: dt.time(1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2), "X")),
    "timedelta": lambda: dt.timedelta(-1, 5, 7),
    "zoneinfo": lambda: zoneinfo.ZoneInfo("Asia/Tokyo"),
    "uuid": lambda: uuid.UUID(int=12345),
    "pure path": lambda: pathlib.PurePosixPath("a/b.txt"),
    "windows path": lambda: pathlib.PureWindowsPath("c:/x"),
    "ipv4": lambda: ipaddress.ip_address("10.0.0.1"),
    "ipv6": lambda: ipaddress.ip_address("fe80::1%eth0"),
    "network": lambda: ipaddress.ip_network("10.0.0.0/8"),
    "interface": lambda: ipaddress.ip_interface("10.1.2.3/8"),
    "pattern": lambda: re.compile(r"a+", re.IGNORECASE),
    "array": lambda: array.array("d", [1.5, 2.5]),
    "deque": lambda: collections.deque([1, 2], maxlen=5),
    "ordered dict": lambda: collections.OrderedDict(a=1, b=2),
    "default dict": lambda: collections.defaultdict(list, {"a": [1]}),
    "counter": lambda: collections.Counter("abca"),
    "chain map": lambda: collections.ChainMap({"a": 1}, {"b": 2}),
    "mapping proxy": lambda: types.MappingProxyType({"a": 1}),
    "namespace": lambda: types.SimpleNamespace(a=1, b="x"),
    "named tuple": lambda: Pair(1, "r"),
    "enum": lambda: Colour.BLUE,
    "int enum": lambda: Level.LOW,
    "flags": lambda: Access.READ | Access.WRITE,
    "random": lambda: random.Random(7),
    "list subclass": lambda: Words([1, 2]),
    "int subclass": lambda: Count(3),
    "instance": lambda: Plain(1, [2], {3}),
    "instance with slots": Slotted,
    "instance with getstate": Stateful,
    "instance with reduce": Reducing,
    "instance with digest": SelfDigesting,
    "dataclass": lambda: Record(1, ["a"]),
    "dataclass with slots": Frozen,
    "exception": lambda: ValueError("bad", 3),
    "digest": lambda: Digest("00112233445566778899aabbccddeeff"),
    "digest in list": lambda: [Digest("00112233445566778899aabbccddeeff")],
    "function": lambda: scale,
    "closure": lambda: make_adder(3),
    "recursive closure": lambda: make_recursive(3),
    "lambda": lambda: lambda x, y=1: x + y,
    "partial": lambda: functools.partial(int, base=2),
    "builtin function": lambda: len,
    "builtin method": lambda: [1].append,
    "method descriptor": lambda: str.upper,
    "item getter": lambda: operator.itemgetter(1),
    "builtin class": lambda: dict,
    "module": lambda: math,
    "generic alias": lambda: list[int],
    "union": lambda: int | None,
    "optional": lambda: typing.Optional[int],  # noqa: UP045 - the other spelling is meant
    "typing list": lambda: typing.List[int],  # noqa: UP006 - the other kind is meant
    "bare typing list": lambda: typing.List,  # noqa: UP006
    "callable type": lambda: typing.Callable[[int], str],
    "abstract callable": lambda: collections.abc.Callable[[int], str],
    "literal": lambda: typing.Literal[1, "a"],
    "annotated": lambda: typing.Annotated[int, "unit"],
    "special form": lambda: typing.ClassVar,
    "any": lambda: typing.Any,
    "forward reference": lambda: typing.ForwardRef("Thing"),
    "type variable": lambda: T,
    "parameters": lambda: P,
    "new type": lambda: Metres,
    "generic of mine": lambda: Generic[int],
    "unpacked": lambda: typing.Unpack[tuple[int, ...]],
    "class of mine": lambda: Plain,
    "dataclass itself": lambda: Record,
    "frozen dataclass itself": lambda: Frozen,
    "enumeration itself": lambda: Colour,
    "named tuple itself": lambda: Pair,
    "class with wrappers": lambda: Wrapping,
    "bound method": lambda: Plain(1).get,
    "class method": lambda: Wrapping.made,
    "property": lambda: vars(Wrapping)["doubled"],
    "static method": lambda: vars(Wrapping)["helper"],
    "cached property": lambda: vars(Wrapping)["kept"],
    "partial method": lambda: functools.partialmethod(len, 1),
    "lru cache": lambda: cached,
    "cell": lambda: types.CellType(1),
    "empty cell": types.CellType,
    "struct": lambda: struct.Struct("<id"),
    "memoryview 2-d": lambda: memoryview(bytes(6)).cast("B", (2, 3)),
    "user dict": lambda: collections.UserDict(a=1),
    "user string": lambda: collections.UserString("a"),
    "dict subclass": lambda: Table(a=1),
    "float subclass": lambda: Metre(1.5),
    "struct time": lambda: time.gmtime(0),
    "exception group": lambda: ExceptionGroup("many", [ValueError(1)]),
    "template": lambda: string.Template("$a"),
    "decimal context": lambda: decimal.Context(prec=5),
}


def _numpy() -> dict[str, Callable[[], Any]]:
    import numpy as np

    grid = np.arange(12, dtype="<f8").reshape(3, 4)
    return {
        "float array": lambda: grid,
        "int array": lambda: np.arange(5, dtype="<i2"),
        "big-endian array": lambda: np.arange(5, dtype=">i4"),
        "bool array": lambda: np.array([True, False]),
        "text array": lambda: np.array(["a", "bc"]),
        "datetime array": lambda: np.array(["2024-01-01", "NaT"], dtype="<M8[s]"),
        "object array": lambda: np.array([1, "a", None, [2]], dtype=object),
        "structured array": lambda: np.array(
            [(1, 2.0)], dtype=np.dtype([("a", "i1"), ("b", "<f8")], align=True)
        ),
        "empty array": lambda: np.zeros((0, 3)),
        "0-d array": lambda: np.array(3.0),
        "masked array": lambda: np.ma.masked_array([1.0, 2.0], [False, True]),
        "float scalar": lambda: np.float64(1),
        "int scalar": lambda: np.int32(1),
        "datetime scalar": lambda: np.datetime64("2024-01-01"),
        "text scalar": lambda: np.str_("a"),
        "dtype": lambda: np.dtype("<f4"),
        "array in dict": lambda: {"grid": grid, "n": 3},
    }


def _pandas() -> dict[str, Callable[[], Any]]:
    import numpy as np
    import pandas as pd

    # Only what pandas 2 and 3 make alike: no columns whose dtype is inferred from text.
    numbers = pd.DataFrame({0: np.arange(3.0), 1: np.arange(3)})
    numbers.columns = pd.Index([0.5, 7.0])
    return {
        "frame": lambda: numbers,
        "series": lambda: pd.Series([1, None], dtype="Int64", name=3),
        "objects": lambda: pd.Series(["a", None, 1], dtype=object),
        "categories": lambda: pd.Series(pd.Categorical([1, 2, 1], categories=[2, 1])),
        "range index": lambda: pd.RangeIndex(0, 9, 3),
        "multi-index": lambda: pd.MultiIndex.from_tuples([(1, 2), (1, 3)], names=["a", "b"]),
        "moments": lambda: pd.Series(np.array(["2024-01-01", "NaT"], "M8[ns]")),
        "timestamp": lambda: pd.Timestamp("2024-01-01", tz="UTC").as_unit("ns"),
        "na": lambda: pd.NA,
        "nat": lambda: pd.NaT,
        "interval": lambda: pd.Interval(0, 1, closed="left"),
    }


def _attrs() -> dict[str, Callable[[], Any]]:
    import attrs

    @attrs.define
    class Thing:
        x: int
        y: str = "a"

    @attrs.frozen(slots=False, cache_hash=True)
    class Hashed:
        x: int

    def hashed() -> Any:
        thing = Hashed(1)
        hash(thing)
        return thing

    return {"attrs": lambda: Thing(1), "attrs with cached hash": hashed}


def _pyarrow() -> dict[str, Callable[[], Any]]:
    import pyarrow as pa

    table = pa.table({"a": [1, None], "s": ["x", "yz"], "n": [[1], None], "m": [{"k": 1.5}, None]})
    moments = pa.array([0, None], pa.timestamp("us", "UTC"))
    return {
        "table": lambda: table,
        "record batch": lambda: table.to_batches()[0],
        "array": lambda: pa.array([1, None, 3], pa.int16()),
        "chunked array": lambda: pa.chunked_array([["a"], ["b", None]]),
        "booleans": lambda: pa.array([True, None]),
        "moments": lambda: moments,
        "decimals": lambda: pa.array([decimal.Decimal("1.10")], pa.decimal128(5, 2)),
        "dictionary": lambda: pa.array(["a", "b", "a"]).dictionary_encode(),
        "map": lambda: pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())),
        "nothing": lambda: pa.nulls(2),
        "scalar": lambda: pa.scalar(1),
        "type": lambda: pa.struct([("a", pa.list_(pa.int8()))]),
        "schema": lambda: pa.schema([("a", pa.int8())], metadata={"k": "v"}),
        "buffer": lambda: pa.py_buffer(b"ab"),
    }


def _polars() -> dict[str, Callable[[], Any]]:
    import polars as pl

    cells = {"a": [1, None], "s": ["x", "yz"], "n": [[1], None], "m": [{"k": 1.5}, None]}
    return {
        "frame": lambda: pl.DataFrame(cells),
        "series": lambda: pl.Series("a", [1.5, None]),
        "booleans": lambda: pl.Series([True, None]),
        "categorical": lambda: pl.Series(["b", "a"], dtype=pl.Categorical),
        "enum": lambda: pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])),
        "moments": lambda: pl.Series([dt.datetime(2024, 1, 1)]),
        "decimals": lambda: pl.Series([decimal.Decimal("1.10")], dtype=pl.Decimal(5, 2)),
        "dtype": lambda: pl.Datetime("ms", "UTC"),
    }


def _scipy() -> dict[str, Callable[[], Any]]:
    import numpy as np
    from scipy import sparse

    grid = sparse.coo_array(np.array([[0, 1.5], [2, 0]]))
    formats = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
    made = {name: functools.partial(grid.asformat, name) for name in formats}
    return {**made, "matrix": lambda: sparse.csr_matrix(grid)}


def _torch() -> dict[str, Callable[[], Any]]:
    import torch

    grid = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    return {
        "tensor": lambda: grid,
        "transposed": lambda: grid.T,
        "bfloat16": lambda: grid.to(torch.bfloat16),
        "parameter": lambda: torch.nn.Parameter(grid),
        "sparse": lambda: grid.to_sparse(),
        "dtype": lambda: torch.int8,
    }


def _pillow() -> dict[str, Callable[[], Any]]:
    from PIL import Image

    return {
        "image": lambda: Image.new("RGB", (2, 3), (1, 2, 3)),
        "palette image": lambda: Image.new("P", (2, 2), 1),
    }


def _xarray() -> dict[str, Callable[[], Any]]:
    import numpy as np
    import xarray as xr

    array = xr.DataArray(np.arange(2.0), {"x": [1, 2]}, "x", name="v", attrs={"unit": "m"})
    return {
        "array": lambda: array,
        "data set": array.to_dataset,
        "variable": lambda: array.variable,
    }


def _networkx() -> dict[str, Callable[[], Any]]:
    import networkx as nx

    return {
        "graph": lambda: nx.Graph([(1, 2, {"w": 0.5})], name="g"),
        "directed": lambda: nx.DiGraph([(1, 2), (2, 1)]),
        "multigraph": lambda: nx.MultiGraph([(1, 2), (1, 2)]),
    }


def _pydantic() -> dict[str, Callable[[], Any]]:
    import pydantic

    class Model(pydantic.BaseModel):
        x: int = 1
        y: list[str] = []

    return {"model": lambda: Model(y=["a"]), "model of defaults": Model}


def _sklearn() -> dict[str, Callable[[], Any]]:
    from sklearn.linear_model import Ridge

    def fitted() -> Any:
        ridge = Ridge()
        ridge.coef_ = [1.5]
        return ridge

    return {"estimator": lambda: Ridge(alpha=2.0), "fitted": fitted}


LIBRARIES: dict[str, Callable[[], dict[str, Callable[[], Any]]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "attrs": _attrs,
    "pyarrow": _pyarrow,
    "polars": _polars,
    "scipy": _scipy,
    "torch": _torch,
    "PIL": _pillow,
    "xarray": _xarray,
    "networkx": _networkx,
    "pydantic": _pydantic,
    "sklearn": _sklearn,
}
