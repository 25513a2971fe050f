"""networkx: a graph is a node: its attributes, nodes and neighbours, all in their order."""

from __future__ import annotations

from typing import Any

import networkx as nx

from fleche_like.hashing.branch import Branch, Handler, group, named, node
from fleche_like.hashing.names import type_names


def find(base: type) -> Handler | None:
    """Return the handler for graphs and their subclasses."""
    return _graph if is_node_type(base) else None


def is_node_type(base: type) -> bool:
    """Tell whether a type that networkx defines is one of graphs."""
    return issubclass(base, nx.Graph)


def _graph(value: Any) -> Branch:
    module, name = type_names(type(value))
    cls = name if module.partition(".")[0] == "networkx" else (module, name)
    depth = 3 if value.is_multigraph() else 2
    before = {n: [*value.pred[n]] for n in value} if value.is_directed() else None
    parts = (
        cls,
        value.graph,
        _plain(value.nodes, 1),
        _plain(value.adj, depth),
        before,
    )
    return node("networkx.Graph", group(parts, named("", ".graph", ".nodes", ".adj", "")))


def _plain(view: Any, depth: int) -> dict[Any, Any]:
    """Copy a view of nested mappings down to the dicts of attributes."""
    if not depth:
        return dict(view)
    return {key: _plain(inner, depth - 1) for key, inner in view.items()}
