"""What of a function's code cannot be followed, in words."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from typing import Final

from fleche_like.memo.reads import reads_of

_WHATEVER: Final = frozenset({"eval", "exec", "globals", "vars", "__import__", "import_module"})
_BELOW: Final = "__subclasses__"
_METHODS: Final = frozenset({"import_module", "attrgetter", "methodcaller", _BELOW})
_BY_NAME: Final = frozenset({"getattr", "attrgetter", "methodcaller"})


def notes(function: types.FunctionType, label: str, node: ast.AST | None) -> frozenset[str]:
    """Return what cannot be followed in a function: one line each.

    Args:
        function: the function.
        label: what it is called.
        node: its syntax tree, if there is one.
    """
    if node is None:
        names = {chain[-1] for chain in reads_of(function.__code__).globals}
        found = names & (_WHATEVER | _BY_NAME)
        return frozenset(f"{label}: {name}(), without source to look at" for name in found)
    first = function.__code__.co_firstlineno
    return frozenset(f"{label}, line {line}: {what}" for line, what in _found_in(node, first))


def _found_in(node: ast.AST, first: int) -> Iterator[tuple[int, str]]:
    for each in ast.walk(node):
        if not isinstance(each, ast.Call):
            continue
        name = _name_of(each.func)
        line = each.lineno or first
        if name == _BELOW:
            yield line, f"{name}() is followed below classes of the project alone"
        elif name in _WHATEVER:
            yield line, f"{name}() is not followed"
        elif name in _BY_NAME and not _is_constant(each, name):
            yield line, f"{name}() with a computed name is not followed"


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr if node.attr in _METHODS else ""
    return node.id if isinstance(node, ast.Name) else ""


def _is_constant(call: ast.Call, name: str) -> bool:
    place = 1 if name == "getattr" else 0
    return len(call.args) > place and isinstance(call.args[place], ast.Constant)
