"""What functions and classes take along that no name leads to.

A local function or class, or a lambda, is stored by value: with the globals that it looks up, and
a class with what its methods have in their closures. Two that differ there are two values.
"""

from __future__ import annotations

import contextvars
import sys
import types
from typing import Any, Final

from fleche_like.hashing import bulk, tags
from fleche_like.hashing.branch import part
from fleche_like.hashing.code import function_code_digest, global_names
from fleche_like.hashing.installed import is_installed
from fleche_like.hashing.names import type_names
from fleche_like.hashing.text import digest_node

_LIBRARIES: Final = frozenset({"numpy", "pandas", "polars", "pyarrow"})
_MOST_WRAPPERS: Final = 10

_open: Final[contextvars.ContextVar[frozenset[int]]] = contextvars.ContextVar(
    "_open", default=frozenset()
)
"""The functions that are looked at in this thread: one that leads back to itself ends there."""


def globals_of(function: types.FunctionType) -> dict[str, Any]:
    """Return the globals that a function takes along, in a form that has an encoding.

    Empty for one that its module holds under its name: that is stored by name.
    """
    if id(function) in _open.get() or _is_held(function):
        return {}
    scope = function.__globals__
    found = {name: scope[name] for name in global_names(function.__code__) if name in scope}
    return _forms(function, found)


def closure_of(function: types.FunctionType) -> dict[str, Any]:
    """Return the closure of a method, in a form that has an encoding; without its own class."""
    if id(function) in _open.get():
        return {}
    found = {}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    found.pop("__class__", None)
    return _forms(function, found)


def _forms(function: types.FunctionType, found: dict[str, Any]) -> dict[str, Any]:
    token = _open.set(_open.get() | {id(function)})
    try:
        forms = {name: _form(found[name]) for name in sorted(found)}
    finally:
        _open.reset(token)
    return {name: form for name, form in forms.items() if form is not None}


def _form(value: Any) -> Any:
    """Return data by its content, other code as it is digested, of what has a name nothing."""
    kind = type(value)
    if kind in tags.SCALARS or (kind in tags.CONTAINERS and bulk.is_plain(value)):
        return value
    if kind is types.FunctionType:
        return None if _is_held(value) else _code(value)
    if issubclass(kind, types.ModuleType):
        return None
    if issubclass(kind, type):
        return type_names(value)
    if hasattr(kind, "__digest__") or kind.__module__.partition(".")[0] in _LIBRARIES:
        return value
    return _structure(value)


def _code(function: types.FunctionType) -> Any:
    digest = function_code_digest(function)
    return part(digest_node(digest)), closure_of(function), globals_of(function)


def _structure(value: Any) -> Any:
    """Return the content of a container, or of an instance of a class of the project."""
    if id(value) in _open.get():
        return type_names(type(value))
    token = _open.set(_open.get() | {id(value)})
    try:
        return type_names(type(value)), [*map(_form, _inside(value))]
    finally:
        _open.reset(token)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [*value]
    if isinstance(value, dict):
        return [each for pair in value.items() for each in pair]
    module = sys.modules.get(type_names(type(value))[0])
    if is_installed(getattr(module, "__file__", None), getattr(module, "__spec__", None)):
        return []
    space = getattr(value, "__dict__", {})
    return [each for name in sorted(space) for each in (name, space[name])]


def _is_held(function: types.FunctionType) -> bool:
    """Whether the module of a function has it under its name, possibly decorated."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    for _ in range(_MOST_WRAPPERS):
        if found is None or found is function:
            break
        space = getattr(found, "__dict__", {})
        found = getattr(found, "__func__", None) or space.get("__wrapped__")
    return found is function
