"""PyTorch: tensors are nodes, whatever their strides; modules are instances like any other.

Gradients and hooks of autograd are no part of a tensor; whether it requires a gradient is.
"""

from __future__ import annotations

from typing import Any

import torch

from fleche_like.hashing.branch import Branch, Handler, Made, group, kind, node, refuse
from fleche_like.hashing.names import type_names

_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# What NumPy has too; the others are passed as integers of their size.
_SHARED = frozenset(
    (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
        torch.float32, torch.float64, torch.complex64, torch.complex128,
    )
)  # fmt: skip


def find(base: type) -> Handler | None:
    """Return the handler for a type that PyTorch defines, and its subclasses."""
    for known, handler in _HANDLERS:
        if issubclass(base, known):
            return handler
    return None


def is_node_type(base: type) -> bool:
    """Tell whether values of a type that PyTorch defines are nodes of their own."""
    return issubclass(base, torch.Tensor)


def _tensor(value: Any) -> Branch:
    module, name = type_names(type(value))
    cls = name if module.partition(".")[0] == "torch" else (module, name)
    about = (cls, str(value.dtype), value.device.type, value.requires_grad, str(value.layout))
    plain = value.detach()
    if type(plain) is not torch.Tensor and plain.layout is torch.strided:
        plain = plain.as_subclass(torch.Tensor)
    return node("torch.Tensor", group((*about, tuple(value.shape), group(_parts(plain)))))


def _parts(value: Any) -> tuple[Any, ...]:
    if value.is_meta:
        refuse("is on the meta device and holds nothing")
    if value.layout is torch.sparse_coo:
        return _numpy(value._indices()), _numpy(value._values()), value.is_coalesced()
    if value.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tuple(map(_numpy, (value.crow_indices(), value.col_indices(), value.values())))
    if value.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tuple(map(_numpy, (value.ccol_indices(), value.row_indices(), value.values())))
    if value.is_quantized or value.layout is not torch.strided:
        refuse("is of a layout that is not known here; use register_digest()")
    return (_numpy(value),)


def _numpy(value: Any) -> Any:
    value = value.cpu().resolve_conj().resolve_neg()
    if value.dtype not in _SHARED:
        value = value.view(_SAME_SIZE[value.element_size()])
    return value.numpy()


def _generator(value: Any) -> Made:
    return kind("torch.Generator", group((str(value.device), _numpy(value.get_state()))))


_HANDLERS: tuple[tuple[Any, Handler], ...] = (
    (torch.Tensor, _tensor),
    (torch.Generator, _generator),
)
