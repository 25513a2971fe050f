"""PyTorch: tensors are nodes, whatever their strides; modules are instances like any other.

Gradients and hooks of autograd are no part of a tensor; whether it requires a gradient is.
"""

from __future__ import annotations

from typing import Any

import torch

from fleche_like.hashing.branch import Branch, Made, group, kind, node, refuse
from fleche_like.hashing.library import Library, class_name, own_attributes

_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# What NumPy has too; the others are passed as integers of their size.
_SHARED = frozenset(
    (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
        torch.float32, torch.float64, torch.complex64, torch.complex128,
    )
)  # fmt: skip


def _tensor(value: Any) -> Branch:
    cls = class_name("torch", value)
    about = (cls, str(value.dtype), value.device.type, value.requires_grad, str(value.layout))
    plain = value.detach()
    if type(plain) is not torch.Tensor and plain.layout is torch.strided:
        plain = plain.as_subclass(torch.Tensor)
    own = own_attributes("torch", value)
    parts = (*about, tuple(value.shape), group(_parts(plain)), *own)
    return node("torch.Tensor", group(parts))


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


def _storage(value: Any) -> Made:
    """Memory that tensors share, by its bytes: torch's own copy of it tells where it lies."""
    plain = getattr(value, "untyped", lambda: value)()
    held = torch.empty(0, dtype=torch.uint8).set_(plain.cpu())
    about = (type(value).__name__, str(getattr(value, "dtype", None)), value.device.type)
    return kind("torch.Storage", group((*about, held.numpy())))


def _generator(value: Any) -> Made:
    return kind("torch.Generator", group((str(value.device), _numpy(value.get_state()))))


LIBRARY = Library(
    "torch",
    (
        (torch.Tensor, _tensor),
        (torch.Generator, _generator),
        (torch.UntypedStorage, _storage),
        (torch.TypedStorage, _storage),
    ),
    nodes=(torch.Tensor,),
)
