"""What functions and classes tell of themselves: docstrings, annotations, parameters of generics.

They count only where some of the code that is reached asks for them.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from fleche_like.memo.own import type_module
from fleche_like.memo.sites import Site

_ASKING: Final = {
    "__doc__": frozenset({"__doc__", "getdoc"}),
    "__annotations__": frozenset(
        {"__annotations__", "get_type_hints", "get_annotations", "signature", "getfullargspec"}
    ),
    "__orig_bases__": frozenset({"__orig_bases__", "get_original_bases", "__parameters__"}),
}
_CALLED: Final = {
    "__doc__": "docstring",
    "__annotations__": "annotations",
    "__orig_bases__": "generic bases",
}


def told_by(value: Any, label: str, names: AbstractSet[str]) -> Iterator[Site]:
    """Yield what a function or class tells that is asked for.

    Args:
        value: a function or class of the project.
        label: what it is called.
        names: every attribute and global that is mentioned.

    >>> def f(x: int): "Doc."
    >>> [(site.part, site.value) for site in told_by(f, "f", {"__doc__"})]
    [('docstring f', 'Doc.')]
    >>> [*told_by(f, "f", {"other"})]
    []
    """
    for name, asking in _ASKING.items():
        if names.isdisjoint(asking):
            continue
        found = _held(value, name)
        if found:
            yield Site(f"{_CALLED[name]} {label}", found, name, holder=value, lenient=True)


def _held(value: Any, name: str) -> Any:
    """Return an attribute of a function, or of a class itself without those above it."""
    if isinstance(value, type):
        return vars(value).get(name)
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001  evaluated late from 3.14 on: a name may not be there
        return None


def named_by(site: Site, owner: Any) -> Iterator[Any]:
    """Yield what texts among annotations name.

    Args:
        site: what :func:`told_by` yielded for ``owner``.
        owner: a function or class.
    """
    if isinstance(site.value, dict):
        home = _home_of(owner)
        for each in site.value.values():
            if isinstance(each, str):
                yield looked_up(each, home)


def _home_of(owner: Any) -> Mapping[str, Any]:
    if isinstance(owner, types.FunctionType):
        return owner.__globals__
    return getattr(sys.modules.get(type_module(owner)), "__dict__", {})


def looked_up(annotation: str, home: Mapping[str, Any]) -> Any:
    """Return what a dotted name among annotations refers to; other expressions are passed over."""
    first, *rest = annotation.strip("\"'").split(".")
    found = home.get(first)
    for name in rest:
        found = getattr(found, "__dict__", {}).get(name)
    return found
