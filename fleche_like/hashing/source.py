"""The identity of a function's own code: its normalised source, else its bytecode.

Source is trusted only when compiling it gives the very code that runs; a file that was edited after
it was imported, or rewritten on import, does not, and the code's own bytecode speaks instead.
"""

from __future__ import annotations
import __future__

import ast
import functools
import linecache
import types
from collections.abc import Iterator
from typing import Any

from xxhash import xxh3_128_hexdigest

from fleche_like.hashing import encoder, normalise
from fleche_like.hashing.text import Digest
from fleche_like.support.syntax import parse

_FUTURE_FLAGS = functools.reduce(
    int.__or__, (getattr(__future__, n).compiler_flag for n in __future__.all_feature_names)
)


def code_digest(code: types.CodeType) -> Digest:
    """Return the digest of a code object's normalised source, else of its bytecode."""
    node = find(code)
    form = normalise.source(node) if node is not None else normalise.bytecode(code)
    return Digest(xxh3_128_hexdigest(encoder.encode(form)))


def find(code: types.CodeType) -> ast.AST | None:
    """Return the syntax tree that defines a code object, if there is one to be trusted."""
    node = _search(code)
    if node is None and linecache.cache.get(code.co_filename):
        # The cached lines may be older than the code, after a reload.
        linecache.checkcache(code.co_filename)
        node = _search(code)
    return node


def _search(code: types.CodeType) -> ast.AST | None:
    lines = linecache.getlines(code.co_filename)
    if not lines:
        return None
    text = "".join(lines)
    for statement in _statements(text):
        if _first_line(statement) <= code.co_firstlineno <= (statement.end_lineno or 0):
            found = _verified(statement, code, _imported(text))
            if found is not None:
                return found
    return None


@functools.lru_cache(maxsize=64)
def _statements(text: str) -> list[ast.stmt]:
    try:
        return parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return []


@functools.lru_cache(maxsize=64)
def _imported(text: str) -> tuple[str, ...]:
    """Return the names that a module binds by importing, at its top level."""
    waiting: list[ast.AST] = [*_statements(text)]
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update((each.asname or each.name).partition(".")[0] for each in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            waiting.extend(ast.iter_child_nodes(node))
    return tuple(sorted(found - {"*"}))


def _verified(
    statement: ast.stmt, code: types.CodeType, imported: tuple[str, ...]
) -> ast.AST | None:
    """Return the definition of ``code`` within a statement, if the statement compiles to it."""
    nodes = [n for n in ast.walk(statement) if _may_define(n, code)]
    if len(nodes) > 1:
        nodes = [n for n in nodes if _spans(n, code)]
    if len(nodes) != 1:
        return None
    flags = code.co_flags & _FUTURE_FLAGS
    if any(_same(code, other) for other in _compiled(statement, flags, imported)):
        return nodes[0]
    return None


def _may_define(node: ast.AST, code: types.CodeType) -> bool:
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name == code.co_name and _first_line(node) == code.co_firstlineno
    return False


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", ())
    return min(node.lineno, *(int(d.lineno) for d in decorators), node.lineno)


def _spans(node: Any, code: types.CodeType) -> bool:
    """Tell lambdas of one line apart: by the columns that the code's result comes from."""
    body = node.body if isinstance(node, ast.Lambda) else node
    place = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
    return place in set(code.co_positions())


def _compiled(
    statement: ast.stmt, flags: int, imported: tuple[str, ...]
) -> Iterator[types.CodeType]:
    # Calls of attributes of what the module imports at its top are compiled in a way of their own.
    imports = [ast.Import([ast.alias(name)]) for name in imported]
    top = [ast.fix_missing_locations(each) for each in imports]
    module = ast.Module(body=[*top, statement], type_ignores=[])
    try:
        yield from _nested(compile(module, "<source>", "exec", flags=flags, dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError):
        return


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _nested(constant)


def _same(code: types.CodeType, other: types.CodeType) -> bool:
    """Compare all but file names; positions too, for before 3.12 equality ignores those."""
    return code == other and list(code.co_positions()) == list(other.co_positions())
