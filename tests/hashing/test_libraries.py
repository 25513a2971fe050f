"""What libraries do with memory and bookkeeping does not count; what their values hold does."""

from __future__ import annotations

import datetime as dt
import decimal
import importlib.util
import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
import xarray as xr
from PIL import Image
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge

from fleche_like.hashing import digest, is_node

ROOT = Path(__file__).resolve().parents[2]
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)
CELLS: dict[str, Any] = {
    "numbers": [1, None, 3, 4],
    "floats": [0.5, None, float("nan"), -0.0],
    "texts": ["a", None, "", "äö"],
    "binary": [b"a", None, b"", b"\0"],
    "flags": [True, None, False, True],
    "lists": [[1, 2], None, [], [None]],
    "structs": [{"k": 1.5}, None, {"k": None}, {"k": 2.0}],
    "moments": [dt.datetime(2024, 1, 1), None, dt.datetime(2025, 1, 1), None],
    "decimals": [decimal.Decimal("1.10"), None, decimal.Decimal("2.00"), None],
    "nothing": [None] * 4,
}


def arrow_type(name: str) -> Any:
    return pa.int32() if name == "numbers" else None


@pytest.mark.parametrize("name", CELLS)
def test_chunks_offsets_and_bytes_under_nulls_of_arrow_do_not_count(name: str) -> None:
    items = CELLS[name]
    whole = pa.array(items, arrow_type(name))
    kind = whole.type
    longer = pa.array([items[2], *items, items[0]], kind)[1:5]
    one = pa.chunked_array([whole])
    many = pa.chunked_array([pa.array(items[:1], kind), pa.array([], kind), longer[1:]])
    assert digest(longer) == digest(whole)
    assert digest(many) == digest(one) != digest(whole)
    shifted = pa.array([*items[1:], items[0]], kind)
    assert (digest(shifted) == digest(whole)) == (name == "nothing")
    assert digest(pa.table({"c": many})) == digest(pa.table({"c": one}))
    assert is_node(one)


def test_bytes_under_nulls_and_validity_of_no_nulls_do_not_count() -> None:
    def made(under_null: int, validity: int) -> Any:
        numbers = pa.py_buffer(np.array([1, under_null], "<i4"))
        return pa.Array.from_buffers(pa.int32(), 2, [pa.py_buffer(bytes([validity])), numbers])

    assert digest(made(5, 0b01)) == digest(made(9, 0b01)) != digest(made(5, 0b11))
    bare = pa.Array.from_buffers(pa.int32(), 2, [None, pa.py_buffer(np.array([1, 5], "<i4"))])
    assert digest(bare) == digest(made(5, 0b11))


def test_dictionaries_of_chunks_are_unified() -> None:
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "c"]).dictionary_encode()]
    together = pa.chunked_array([pa.array(["a", "b", "b", "c"]).dictionary_encode()])
    assert digest(pa.chunked_array(chunks)) == digest(together)


ARROW: list[Any] = [
    pa.array([1]), pa.array([1], pa.int8()), pa.array([1.0]), pa.array(["1"]), pa.array([b"1"]),
    pa.array(["1"], pa.large_string()), pa.array([[1]]), pa.array([[[1]]]), pa.array([None, 1]),
    pa.array([1, None]), pa.array([0, 1]), pa.chunked_array([[1]]), pa.table({"a": [1]}),
    pa.table({"b": [1]}), pa.table({"a": [1], "b": [1]}), pa.table({"b": [1], "a": [1]}),
    pa.record_batch({"a": [1]}), pa.scalar(1), pa.scalar(1.0), pa.int8(), pa.int16(),
    pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.list_(pa.int8()),
    pa.list_(pa.int8(), 2), pa.large_list(pa.int8()), pa.list_(pa.field("x", pa.int8())),
    pa.struct([("a", pa.int8())]), pa.struct([("a: int8, b", pa.int8())]),
    pa.struct([("a", pa.int8()), ("b", pa.int8())]), pa.field("a", pa.int8()),
    pa.field("a", pa.int8(), nullable=False), pa.schema([("a", pa.int8())]),
    pa.schema([("a", pa.int8())], metadata={"k": "v"}), pa.array([[1, 2], []]),
    pa.array([[1], [2]]), pa.array([[], [1, 2]]), pa.array([["ab", "c"]]), pa.array([["a", "bc"]]),
    pa.array([{"a": 1}]), pa.array([{"b": 1}]), pa.array([None]), pa.nulls(2),
    pa.array(["a", "b"]).dictionary_encode(), pa.array(["a", "b"]),
    pa.DictionaryArray.from_arrays([1, 0], ["b", "a"]), pa.py_buffer(b"a"),
    pa.array([("k", 1)], pa.struct([("x", pa.string()), ("y", pa.int8())])),
    pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
    pa.Tensor.from_numpy(np.eye(2)), pa.array([b"ab"], pa.binary(2)), pa.array([b"ab"]),
    pa.array(["ab"], pa.string_view()), pa.RunEndEncodedArray.from_arrays([2], [7]),
]  # fmt: skip


def polars_values() -> list[Any]:
    frame = pl.DataFrame({"a": [1, 2]})
    return [
        frame, frame.rename({"a": "b"}), frame.cast(pl.Int32), frame.reverse(), frame.head(1),
        frame["a"], frame["a"].alias("z"), frame.with_columns(b=1), frame.with_columns(b=None),
        pl.Series([1, None]), pl.Series([None, 1]), pl.Series([0, 1]), pl.Series(["ab", "c"]),
        pl.Series(["a", "bc"]), pl.Series(["a", None]), pl.Series(["a", ""]), pl.Series([b"a"]),
        pl.Series([[1, 2], []]), pl.Series([[], [1, 2]]), pl.Series([[1], [2]]),
        pl.Series([[1, 2], None]), pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
        pl.Series(["b", "a"], dtype=pl.Categorical), pl.Series(["a", "b"], dtype=pl.Categorical),
        pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])), pl.Series([{"x": 1}]),
        pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"])), pl.Series([{"y": 1}]),
        pl.Series([dt.date(2024, 1, 1)]), pl.Series([dt.datetime(2024, 1, 1)]), pl.Series([True]),
        pl.Series([decimal.Decimal("1.1")]), pl.Series([None]), pl.Series([object()]).len(),
        pl.Int8(), pl.Int16(), pl.Datetime("us"), pl.Datetime("ns"), pl.List(pl.Int8),
        pl.DataFrame(),
    ]  # fmt: skip


def sparse_values() -> list[Any]:
    grid = sparse.coo_array(np.array([[0, 1.5], [2, 0]]))
    formats = [grid.asformat(name) for name in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")]
    wide = sparse.coo_array(np.array([[0, 1.5, 0], [2, 0, 0]]))
    return [*formats, sparse.csr_matrix(grid), wide, grid.astype("f4"), 2 * grid, grid.toarray()]


def xarray_values() -> list[Any]:
    base = xr.DataArray(np.arange(2.0), {"x": [1, 2]}, "x", name="v", attrs={"unit": "m"})
    return [
        base, base.rename("w"), base.assign_attrs(unit="s"), base.rename(x="y"), base + 1,
        base.assign_coords(x=[1, 3]), base.drop_vars("x"), base.assign_coords(z=1),
        base.to_dataset(), base.to_dataset(name="w"), base.to_dataset().assign_attrs(a=1),
        base.variable, base.to_numpy(), base.drop_indexes("x"),
    ]  # fmt: skip


def graphs() -> list[Any]:
    return [
        nx.Graph(), nx.DiGraph(), nx.MultiGraph(), nx.Graph([(1, 2)]), nx.DiGraph([(1, 2)]),
        nx.DiGraph([(2, 1)]), nx.Graph([(1, 2, {"w": 1})]), nx.Graph([(1, 2, {"w": 2})]),
        nx.Graph([(1, 3)]), nx.Graph([(1, 2), (1, 3)]), nx.Graph([(1, 2)], name="g"),
        nx.MultiGraph([(1, 2)]), nx.MultiGraph([(1, 2), (1, 2)]), nx.path_graph(2),
    ]  # fmt: skip


def images() -> list[Any]:
    base = Image.new("RGB", (2, 3))
    return [
        base, Image.new("RGB", (3, 2)), Image.new("RGB", (2, 3), 1), Image.new("L", (2, 3)),
        Image.new("P", (2, 3)), base.convert("RGBA"),
    ]  # fmt: skip


class Model(pydantic.BaseModel):
    x: int = 1
    y: Any = None
    _hidden: Any = pydantic.PrivateAttr(None)


class Twin(pydantic.BaseModel):
    x: int = 1
    y: Any = None


def models() -> list[Any]:
    hidden = Model()
    hidden._hidden = 1
    return [Model(), Model(x=1), Model(x=2), Model(y=[1]), Twin(), hidden, Ridge(), Ridge(alpha=2)]


def tensors() -> list[Any]:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    base = torch.arange(4.0)
    return [
        base, base.reshape(2, 2), base.double(), base.bfloat16(), base.half(), base.int(), base + 1,
        torch.arange(4.0, requires_grad=True), torch.nn.Parameter(base),
        base.detach().to_sparse(), base.detach().numpy(), torch.tensor(1.0), torch.float32,
        torch.Generator().manual_seed(1), torch.Generator().manual_seed(2), torch.device("cpu"),
        torch.complex(base.detach(), base.detach()), torch.empty(0), torch.Size([1]),
    ]  # fmt: skip


KINDS: dict[str, Any] = {
    "arrow": lambda: ARROW, "polars": polars_values, "sparse": sparse_values, "graphs": graphs,
    "xarray": xarray_values, "images": images, "models": models, "tensors": tensors,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_differs_in_anything_has_another_digest(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values, again = KINDS[kind](), KINDS[kind]()
    seen: dict[str, Any] = {}
    for value, twin in zip(values, again, strict=True):
        key = digest(value)
        assert key not in seen, f"{value!r} and {seen[key]!r}"
        assert digest(twin) == key
        seen[key] = value


@pytest.mark.parametrize("name", CELLS)
def test_chunks_of_polars_do_not_count(name: str) -> None:
    whole = pl.Series("c", CELLS[name])
    parts = pl.concat([whole[:1], whole[1:3], whole[3:]], rechunk=False)
    assert parts.n_chunks() == 3
    assert digest(parts) == digest(whole)
    assert digest(parts.to_frame()) == digest(whole.to_frame())
    assert digest(whole[1:]) == digest(pl.Series("c", CELLS[name][1:], whole.dtype))


CATEGORICAL = """
import polars as pl
from fleche_like.hashing import digest
earlier = pl.Series({earlier!r}, dtype=pl.Categorical)
print(digest(pl.Series(["a", "x"], dtype=pl.Categorical)))
"""


def test_codes_of_categoricals_do_not_count() -> None:
    """They number the texts that one process has met so far."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", CATEGORICAL.format(earlier=earlier)],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for earlier in (["x", "a"], ["q", "r", "a"])
    }
    assert len(outputs) == 1


def test_arrow_backed_columns_of_pandas_are_what_arrow_holds() -> None:
    for kind in ("int64[pyarrow]", "double[pyarrow]", "timestamp[us][pyarrow]"):
        whole = pd.Series([1, None, 3], dtype=kind)
        parts = pd.concat([whole[:1], whole[1:]])
        assert digest(parts) == digest(whole) != digest(whole[::-1])
    assert digest(pd.Series([1], dtype="int8[pyarrow]")) != digest(pd.Series([1], dtype="Int8"))


def test_cached_flags_of_sparse_arrays_do_not_count() -> None:
    one = sparse.csr_array(np.eye(3))
    other = one.copy()
    assert other.has_sorted_indices
    assert other.has_canonical_format
    assert digest(one) == digest(other)


@needs_torch
def test_strides_and_gradients_of_tensors_do_not_count() -> None:
    import torch

    grid = torch.arange(12.0).reshape(3, 4)
    assert digest(grid.T.contiguous().T) == digest(grid) != digest(grid.T)
    assert digest(grid[:, ::2]) == digest(grid[:, ::2].clone())
    one, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    one.sum().backward()
    assert digest(one) == digest(other)
    layer, twin = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert digest(layer) != digest(twin)
    twin.load_state_dict(layer.state_dict())
    assert digest(layer) == digest(twin) != digest(twin.eval())


def test_an_image_read_from_a_file_says_so_but_not_from_where() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), 3).save(buffer, "PNG")
    one, other = (Image.open(io.BytesIO(buffer.getvalue())) for _ in range(2))
    assert digest(one) == digest(other) != digest(one.copy())


def test_encoding_and_order_of_coordinates_do_not_count_in_xarray() -> None:
    one = xr.Dataset({"v": ("x", [1.0])}, {"x": [1], "a": 2, "b": 3})
    other = xr.Dataset({"v": ("x", [1.0])}, {"b": 3, "x": [1], "a": 2})
    other["v"].encoding["dtype"] = "f4"
    assert digest(one) == digest(other)


def test_views_and_caches_of_graphs_do_not_count() -> None:
    graph = nx.path_graph(4)
    copied = graph.copy()
    assert copied.adj[0]
    assert list(copied.edges)
    assert digest(graph) == digest(copied)
    assert digest(graph.subgraph([0, 1])) == digest(nx.path_graph(2))


def test_estimators_are_their_parameters_and_what_was_fitted() -> None:
    grid, labels = np.eye(4), [0, 1, 1, 0]
    one, other, third = (
        RandomForestClassifier(2, random_state=seed).fit(grid, labels) for seed in (0, 0, 3)
    )
    assert digest(one) == digest(other) != digest(third)
    assert digest(Ridge().fit(grid, labels)) != digest(Ridge())
