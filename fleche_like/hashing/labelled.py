"""xarray: variables, arrays and data sets are nodes; how a file stores them (encoding) is not."""

from __future__ import annotations

from typing import Any

import xarray as xr

from fleche_like.hashing.branch import Branch, Handler, group, named, node
from fleche_like.hashing.names import type_names

_NODES = (xr.DataArray, xr.Dataset, xr.Variable)


def find(base: type) -> Handler | None:
    """Return the handler for a type that xarray defines, and its subclasses."""
    for known, handler in _HANDLERS:
        if issubclass(base, known):
            return handler
    return None


def is_node_type(base: type) -> bool:
    """Tell whether values of a type that xarray defines are nodes of their own."""
    return issubclass(base, _NODES)


def _class(value: Any) -> Any:
    module, name = type_names(type(value))
    return name if module.partition(".")[0] == "xarray" else (module, name)


def _variable(value: Any) -> Branch:
    parts = (_class(value), tuple(value.dims), value.data, value.attrs)
    return node("xarray.Variable", group(parts, named("", "", ".data", ".attrs")))


def _array(value: Any) -> Branch:
    parts = (_class(value), value.name, value.variable, _coordinates(value))
    return node("xarray.DataArray", group(parts, named("", ".name", "", ".coords")))


def _dataset(value: Any) -> Branch:
    variables = {name: value.variables[name] for name in value.data_vars}
    parts = (_class(value), variables, _coordinates(value), value.attrs)
    return node("xarray.Dataset", group(parts, named("", "", ".coords", ".attrs")))


def _coordinates(value: Any) -> Branch:
    """Coordinates have no order that counts; which of them are indexed does."""
    found = {name: value.coords[name].variable for name in sorted(value.coords, key=str)}
    indexed = sorted(map(str, value.xindexes))
    return group((found, indexed), named("", ""))


_HANDLERS: tuple[tuple[Any, Handler], ...] = (
    (xr.DataArray, _array),
    (xr.Dataset, _dataset),
    (xr.Variable, _variable),
)
