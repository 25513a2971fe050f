"""What a class of the project declares of its fields: defaults, types, checks and conversions.

Of a dataclass, an attrs class and a pydantic model; their generated methods follow from it, and
those are left out of the class's code.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable
from typing import Any, Final

_OF_ATTRS: Final = ("default", "validator", "converter", "on_setattr", "metadata", "type", "alias")
_OF_PYDANTIC: Final = ("annotation", "default", "default_factory", "metadata", "alias", "frozen")
_FLAGS: Final = ("init", "repr", "eq", "order", "hash", "kw_only", "inherited")


def fields_of(cls: type) -> dict[str, dict[str, Any]]:
    """Return what a class says of each of its fields, by name; nothing where it has none.

    >>> @dataclasses.dataclass(slots=True)
    ... class Point:
    ...     x: float = 0.5
    >>> fields_of(Point)
    {'x': {'default': 0.5, 'metadata': {}, 'type': 'float'}}
    """
    space = vars(cls)
    if "__dataclass_fields__" in space:
        fields = space["__dataclass_fields__"].values()
        return {each.name: _of_dataclass(each) for each in fields}
    if "__attrs_attrs__" in space:
        return {each.name: _of_attrs(each) for each in space["__attrs_attrs__"]}
    declared = space.get("__pydantic_fields__")
    found = declared.items() if isinstance(declared, dict) else ()
    return {name: _said(each, _OF_PYDANTIC) for name, each in found}


def _of_dataclass(declared: dataclasses.Field[Any]) -> dict[str, Any]:
    found = _said(declared, ("metadata", "type"))
    if declared.default is dataclasses.MISSING:
        return found
    return {"default": declared.default, **found}


def _of_attrs(declared: Any) -> dict[str, Any]:
    found = _said(declared, (*_OF_ATTRS, *_FLAGS))
    default = found["default"]
    if type(default).__name__ == "Factory":
        found["default"] = {"factory": default.factory, "takes_self": default.takes_self}
    return found


def _said(declared: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: _plain(getattr(declared, name, None)) for name in names}


def _plain(said: Any) -> Any:
    return dict(said) if isinstance(said, types.MappingProxyType) else said
