"""SciPy: sparse arrays and matrices are nodes, by the parts of their format."""

from __future__ import annotations

from typing import Any

from scipy import sparse

from fleche_like.hashing.branch import Branch, group, node
from fleche_like.hashing.library import Library, class_name

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


def _sparse(value: Any) -> Branch:
    shape = tuple(map(int, value.shape))
    return node(
        "scipy.sparse",
        group((class_name("scipy", value), shape, group(_PARTS[value.format](value)))),
    )


_TYPES = (sparse.sparray, sparse.spmatrix)
LIBRARY = Library("scipy", ((each, _sparse) for each in _TYPES), nodes=_TYPES)
