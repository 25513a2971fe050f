"""Metadata of calls: what a record keeps of it, and its flat form for queries and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fleche_like.calls.display import Brief
from fleche_like.calls.scalars import Scalar, is_scalar, scalar_view
from fleche_like.support.sentinel import MISSING

#: Deeper metadata is kept as text; also what ends a structure that contains itself.
MAX_DEPTH: Final = 32

_SHORT: Final = Brief(200)
_AS_THEY_ARE: Final = frozenset({float, bool, type(None)})


def freeze(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy that a record can hold; never raises.

    Mappings become dicts with text keys, lists and tuples become lists, scalars stay as they are,
    their relatives (``np.float64``, enums of numbers) become scalars, and anything else is kept as
    its ``repr``, shortened.

    >>> freeze({"tags": ("a", "b"), "n": {1: 2}, "path": {3}})
    {'tags': ['a', 'b'], 'n': {'1': 2}, 'path': '{3}'}
    """
    return {_text(name): _frozen(value, 1) for name, value in metadata.items()}


def flatten(metadata: Mapping[str, Any], *, dotted: bool = False) -> dict[str, Scalar]:
    r"""Return the scalar leaves of metadata under dotted names; other leaves are left out.

    List items go by their index. A dot or backslash inside a name gets a backslash in front, so
    that two leaves never share a name.

    Args:
        metadata: names and values, nested.
        dotted: names are dotted already, so that their dots separate and get no backslash.

    >>> flatten({"runtime": {"walltime": 1.5}, "tags": ["a"], "a.b": 2, "x": {3}})
    {'runtime.walltime': 1.5, 'tags.0': 'a', 'a\\.b': 2}
    """
    leaves: dict[str, Scalar] = {}
    _collect(metadata, "", 0, str if dotted else escape, leaves)
    return leaves


def escape(name: str) -> str:
    r"""Return ``name`` as one segment of a dotted name.

    >>> print(escape("a.b"))
    a\.b
    """
    # Nearly every name is an identifier, and to ask is cheap.
    return name if name.isidentifier() else name.replace("\\", "\\\\").replace(".", "\\.")


def _frozen(value: Any, depth: int) -> Any:
    if type(value) in _AS_THEY_ARE or is_scalar(value):
        return value
    if depth < MAX_DEPTH and isinstance(value, dict):
        return {_text(name): _frozen(item, depth + 1) for name, item in value.items()}
    if depth < MAX_DEPTH and isinstance(value, list | tuple):
        return [_frozen(item, depth + 1) for item in value]
    view = scalar_view(value)
    return _SHORT.show(value) if view is MISSING else view


def _text(name: object) -> str:
    return str.__str__(name) if isinstance(name, str) else _SHORT.show(name)


def _collect(
    value: Any, name: str, depth: int, segment: Callable[[str], str], leaves: dict[str, Scalar]
) -> None:
    # Scalars first: to ask for an abstract class costs more than all the rest.
    if depth > MAX_DEPTH:
        return
    if type(value) in _AS_THEY_ARE or is_scalar(value):
        leaves[name] = value
    elif type(value) is dict or isinstance(value, Mapping):
        for key, item in value.items():
            part = segment(key if type(key) is str else _text(key))
            place = f"{name}.{part}" if name else part
            if depth < MAX_DEPTH and (type(item) in _AS_THEY_ARE or is_scalar(item)):
                leaves[place] = item
            else:
                _collect(item, place, depth + 1, segment, leaves)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            place = f"{name}.{index}" if name else str(index)
            _collect(item, place, depth + 1, segment, leaves)
    elif (view := scalar_view(value)) is not MISSING:
        leaves[name] = view
