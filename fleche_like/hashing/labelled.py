"""xarray: variables, arrays and data sets are nodes; how a file stores them (encoding) is not."""

from __future__ import annotations

from typing import Any

import xarray as xr

from fleche_like.hashing.branch import Branch, group, named, node
from fleche_like.hashing.library import Library, class_name


def _variable(value: Any) -> Branch:
    parts = (class_name("xarray", value), tuple(value.dims), value.data, value.attrs)
    return node("xarray.Variable", group(parts, named("", "", ".data", ".attrs")))


def _array(value: Any) -> Branch:
    parts = (class_name("xarray", value), value.name, value.variable, _coordinates(value))
    return node("xarray.DataArray", group(parts, named("", ".name", "", ".coords")))


def _dataset(value: Any) -> Branch:
    variables = {name: value.variables[name] for name in value.data_vars}
    parts = (class_name("xarray", value), variables, _coordinates(value), value.attrs)
    return node("xarray.Dataset", group(parts, named("", "", ".coords", ".attrs")))


def _tree(value: Any) -> Branch:
    """A tree of data sets; what a node inherits from its parents is told there."""
    parts = (class_name("xarray", value), value.name, value.to_dataset(inherit=False))
    children = dict(value.children)
    return node("xarray.DataTree", group((*parts, children), named("", ".name", "", ".children")))


def _coordinates(value: Any) -> Branch:
    """Coordinates have no order that counts; which of them are indexed does."""
    found = {name: value.coords[name].variable for name in sorted(value.coords, key=str)}
    indexed = sorted(map(str, value.xindexes))
    return group((found, indexed), named("", ""))


_TREES = (xr.DataTree,) if hasattr(xr, "DataTree") else ()
_NODES: tuple[Any, ...] = (xr.DataArray, xr.Dataset, xr.Variable, *_TREES)
LIBRARY = Library(
    "xarray", zip(_NODES, (_array, _dataset, _variable, _tree), strict=False), nodes=_NODES
)
