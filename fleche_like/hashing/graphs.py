"""networkx: a graph is a node: its attributes, nodes and neighbours, all in their order."""

from __future__ import annotations

from typing import Any

import networkx as nx

from fleche_like.hashing.branch import Branch, group, named, node
from fleche_like.hashing.library import Library, class_name, own_attributes

# What a graph keeps in attributes: its content, views of it, and what algorithms remember.
_INTERNAL = frozenset(
    (
        "graph", "nodes", "adj", "edges", "degree", "pred", "succ", "in_edges", "out_edges",
        "in_degree", "out_degree", "_adj", "_node", "_pred", "_succ", "__networkx_cache__",
    )
)  # fmt: skip


def _graph(value: Any) -> Branch:
    depth = 3 if value.is_multigraph() else 2
    before = {n: [*value.pred[n]] for n in value} if value.is_directed() else None
    parts = (
        class_name("networkx", value),
        value.graph,
        _plain(value.nodes, 1),
        _plain(value.adj, depth),
        before,
        *own_attributes("networkx", value, _INTERNAL),
    )
    return node("networkx.Graph", group(parts, named("", ".graph", ".nodes", ".adj", "", "")))


def _plain(view: Any, depth: int) -> dict[Any, Any]:
    """Copy a view of nested mappings down to the dicts of attributes."""
    if not depth:
        return dict(view)
    return {key: _plain(inner, depth - 1) for key, inner in view.items()}


LIBRARY = Library("networkx", ((nx.Graph, _graph),), nodes=(nx.Graph,))
