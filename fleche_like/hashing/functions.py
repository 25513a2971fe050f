"""Functions, methods and classes as values."""

from __future__ import annotations

import builtins
import types
from collections.abc import Iterator
from typing import Any

from fleche_like.hashing.branch import Made, attributes, group, kind, named, part
from fleche_like.hashing.carried import globals_of
from fleche_like.hashing.code import function_code_digest, global_names
from fleche_like.hashing.names import module_name, type_names
from fleche_like.hashing.text import digest_node, stand_in_node

_FUNCTION_LABELS = named("", "", ".__defaults__", ".__kwdefaults__", ".__closure__", "")


def function(value: types.FunctionType) -> Made:
    """A Python function: own code, defaults and closure values.

    The module is part of it only if the code looks up names there: equal code over equal values is
    one function wherever it stands, but a global name means what its module says it means. A
    function that goes by no name takes the globals along that do not either.
    """
    custom = value.__dict__.get("__digest__")
    if callable(custom):
        return stand_in_node(value, custom())
    module = module_name(value) if _looks_up_globals(value) else None
    code = part(digest_node(function_code_digest(value)))
    closure = attributes(_closure(value))
    parts = (module, code, value.__defaults__, value.__kwdefaults__, closure)
    carried = globals_of(value)
    return kind("function", group((*parts, carried) if carried else parts, _FUNCTION_LABELS))


def _closure(value: types.FunctionType) -> dict[str, Any]:
    cells = value.__closure__ or ()
    names = value.__code__.co_freevars
    return {name: _cell(cell) for name, cell in zip(names, cells, strict=True)}


def _cell(cell: types.CellType) -> Any:
    return next(contents(cell), part(kind("empty cell", None)))


def contents(cell: types.CellType) -> Iterator[Any]:
    """Yield what a cell holds, if it holds anything."""
    try:
        yield cell.cell_contents
    except ValueError:
        return


def _looks_up_globals(value: types.FunctionType) -> bool:
    scope = value.__globals__
    return any(n in scope or not hasattr(builtins, n) for n in global_names(value.__code__))


def builtin(value: Any) -> Made:
    """A function or bound method written in C: by its qualified name, and what it is bound to."""
    owner = getattr(value, "__self__", None)
    bound = None if owner is None or isinstance(owner, types.ModuleType) else (owner,)
    module = getattr(value, "__module__", None)
    parts = (module, value.__qualname__, bound)
    if bound is None:
        return kind("builtin function", parts)
    return kind("builtin function", group(parts, named("", "", ".__self__")))


def descriptor(value: Any) -> Made:
    """A method or slot of a class written in C."""
    return kind("descriptor", (*type_names(value.__objclass__), value.__name__))


def bound_method(value: types.MethodType) -> Made:
    """A method bound to an instance or a class."""
    parts = (value.__func__, value.__self__)
    return kind("types.MethodType", group(parts, named(".__func__", ".__self__")))


def partial(value: Any) -> Made:
    """A ``functools.partial``; the order of its keywords is no part of it, as in a call."""
    keywords = dict(sorted(value.keywords.items()))
    parts = (value.func, value.args, keywords)
    return kind("functools.partial", group(parts, named(".func", ".args", ".keywords")))
