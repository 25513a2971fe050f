"""Which outside names a function writes to: those are its outputs, not its inputs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

MUTATORS: Final = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "difference_update",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "intersection_update",
        "move_to_end",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "rotate",
        "setdefault",
        "sort",
        "subtract",
        "symmetric_difference_update",
        "update",
        "write",
        "writelines",
    }
)
"""Methods of the standard containers, streams and their look-alikes that change them."""


def written_names(function: ast.AST) -> frozenset[str]:
    r"""Return the names that a function's code assigns to, or whose object it changes.

    Counted are: assignment and deletion of the name under ``global`` or ``nonlocal``, of its
    items or attributes at any depth, augmented assignment, and calls of a method in
    :data:`MUTATORS`. Local names are returned too; the caller knows which ones are captured.

    >>> code = "def f(x):\\n  log.append(x)\\n  seen['a'].b = x\\n  return table[x]"
    >>> sorted(written_names(ast.parse(code).body[0]))
    ['log', 'seen']
    """
    return frozenset(name for node in ast.walk(function) for name in _written_by(node))


def _written_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case (
            ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del())
        ):
            yield from _base_of(node)
        case ast.AugAssign(target=ast.Name(id=name)):
            yield name
        case ast.Call(func=ast.Attribute(value=target, attr=method)) if method in MUTATORS:
            yield from _base_of(target)


def _base_of(node: ast.AST) -> Iterator[str]:
    """Yield the name at the bottom of ``name.attribute[item]…``, if there is one."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
