"""The source text of functions, as far as it is the source of the code that runs."""

from __future__ import annotations

import ast
import linecache
import textwrap
import types

from fleche_like.hashing import function_node


def source_of(function: types.FunctionType) -> str | None:
    """Return the text of a function's definition without its decorators; ``None`` without source.

    For a lambda these are the lines it stands on.
    """
    node = function_node(function)
    if not isinstance(node, ast.stmt | ast.expr) or node.end_lineno is None:
        return None
    lines = linecache.getlines(function.__code__.co_filename)
    return textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])) or None


def is_optimized(function: types.FunctionType) -> bool:
    """Whether ``python -O`` leaves out something of a function's source."""
    node = function_node(function)
    return node is not None and any(
        isinstance(each, ast.Assert) or (isinstance(each, ast.Name) and each.id == "__debug__")
        for each in ast.walk(node)
    )
