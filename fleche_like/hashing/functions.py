"""Functions, methods and classes as values."""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Iterator
from typing import Any

from fleche_like.hashing.branch import Made, attributes, group, kind, named, part
from fleche_like.hashing.names import module_name, type_names
from fleche_like.hashing.source import function_code_digest, per_code
from fleche_like.hashing.text import stand_in_node

_FUNCTION_LABELS = named("", "", ".__defaults__", ".__kwdefaults__", ".__closure__")


def function(value: types.FunctionType) -> Made:
    """A Python function: own code, defaults and closure values.

    The module is part of it only if the code looks up names there: equal code over equal values is
    one function wherever it stands, but a global name means what its module says it means.
    """
    custom = value.__dict__.get("__digest__")
    if callable(custom):
        return stand_in_node(value, custom())
    module = module_name(value) if _looks_up_globals(value) else None
    code = function_code_digest(value)
    closure = attributes(_closure(value))
    parts = (module, code, value.__defaults__, value.__kwdefaults__, closure)
    return kind("function", group(parts, _FUNCTION_LABELS))


def _closure(value: types.FunctionType) -> dict[str, Any]:
    cells = value.__closure__ or ()
    return {name: _cell(cell) for name, cell in zip(value.__code__.co_freevars, cells, strict=True)}


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return part(kind("empty cell", None))


def _looks_up_globals(value: types.FunctionType) -> bool:
    scope = value.__globals__
    return any(n in scope or not hasattr(builtins, n) for n in global_names(value.__code__))


@per_code
def global_names(code: types.CodeType) -> frozenset[str]:
    """Return the names that a code object, or one nested in it, looks up as globals or builtins."""
    return frozenset(_walk_global_names(code))


def _walk_global_names(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _walk_global_names(constant)


def builtin(value: Any) -> Made:
    """A function or bound method written in C: by its qualified name, and what it is bound to."""
    owner = value.__self__
    bound = None if owner is None or isinstance(owner, types.ModuleType) else (owner,)
    module = getattr(value, "__module__", None)
    parts = (module, value.__qualname__, bound)
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


def class_(value: type) -> Made:
    """A class, by its qualified name."""
    return kind("class", (*type_names(value), None))
