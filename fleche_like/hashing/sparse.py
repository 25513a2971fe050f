"""SciPy: sparse arrays and matrices are nodes, by the parts of their format."""

from __future__ import annotations

from typing import Any

from scipy import sparse

from fleche_like.hashing.branch import Branch, Handler, group, node
from fleche_like.hashing.names import type_names

_PARTS: dict[str, Any] = {
    "csr": lambda v: (v.data, v.indices, v.indptr),
    "csc": lambda v: (v.data, v.indices, v.indptr),
    "bsr": lambda v: (v.data, v.indices, v.indptr),
    "coo": lambda v: (v.data, tuple(v.coords)),
    "dia": lambda v: (v.data, v.offsets),
    "lil": lambda v: (v.dtype, v.rows, v.data),
    # The order of entries is that of assignments, which no operation tells.
    "dok": lambda v: (v.dtype, dict(sorted(v.items()))),
}


def find(base: type) -> Handler | None:
    """Return the handler for sparse arrays, matrices and their subclasses."""
    return _sparse if is_node_type(base) else None


def is_node_type(base: type) -> bool:
    """Tell whether a type that SciPy defines is one of sparse arrays or matrices."""
    return issubclass(base, sparse.sparray | sparse.spmatrix)


def _sparse(value: Any) -> Branch:
    module, name = type_names(type(value))
    cls = name if module.partition(".")[0] == "scipy" else (module, name)
    shape = tuple(map(int, value.shape))
    return node("scipy.sparse", group((cls, shape, group(_PARTS[value.format](value)))))
