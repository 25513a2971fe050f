"""Code brought into a form that says what it does and not how it is laid out."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Iterable
from typing import Any

# Layout, or what follows from the place of a node; absent, empty and None fields are left out too,
# so that fields which later versions of Python add do not change what is already written.
_IGNORED = frozenset(("kind", "type_comment", "type_ignores", "ctx"))
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def source(node: Any) -> list[Any]:
    """Return the tokens of a function's definition, without name, decorators and defaults.

    The tokens are a prefix notation: ``"node", type, ("field", name, value)*, "end"``,
    ``"list", n, value*``, ``"const", constant``.
    """
    args = node.args
    bare = ast.arguments(
        posonlyargs=args.posonlyargs, args=args.args, vararg=args.vararg,
        kwonlyargs=args.kwonlyargs, kw_defaults=[], kwarg=args.kwarg, defaults=[],
    )  # fmt: skip
    skipped = ("name", "decorator_list", "args")
    fields = [(n, v) for n, v in _fields(node) if n not in skipped]
    tokens: list[Any] = [type(node).__name__]
    for name, value in (("args", bare), *fields):
        tokens += ("field", name)
        _write(value, tokens)
    return tokens


def _fields(node: ast.AST) -> Iterable[tuple[str, Any]]:
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _DOCUMENTED):
            yield name, _without_docstring(value)
        elif name == "values" and isinstance(node, ast.JoinedStr):
            yield name, _without_empty_text(value)
        elif name not in _IGNORED and (isinstance(node, ast.Constant) or _present(value)):
            yield name, value


def _without_empty_text(parts: list[ast.expr]) -> list[ast.expr]:
    """Drop the empty constant that Python 3.12 appends to a nested format specification."""
    return [p for p in parts if not isinstance(p, ast.Constant) or p.value != ""]


def _present(field: Any) -> bool:
    return field is not None and field != []


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    value = first.value if isinstance(first, ast.Expr) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def _write(root: Any, tokens: list[Any]) -> None:
    """Write one value in prefix notation; iterative, for long chains of operators are deep."""
    todo: list[Any] = [root]
    while todo:
        value = todo.pop()
        if isinstance(value, _Tokens):
            tokens += value
        elif isinstance(value, ast.AST):
            tokens += ("node", type(value).__name__)
            todo.append(_Tokens(("end",)))
            for name, field in reversed(list(_fields(value))):
                todo += (field, _Tokens(("field", name)))
        elif isinstance(value, list):
            tokens += ("list", len(value))
            todo += reversed(value)
        else:
            tokens += ("const", value)


class _Tokens(tuple[Any, ...]):
    """Tokens that are finished, among nodes that are not."""

    __slots__ = ()


def bytecode(code: types.CodeType) -> tuple[Any, ...]:
    """Return what a code object does, as this minor version of Python writes it."""
    return ("bytecode", sys.version_info[:2], _code(code))


def _code(code: types.CodeType) -> tuple[Any, ...]:
    return (
        code.co_code,
        tuple(map(_constant, _constants(code))),
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        code.co_exceptiontable,
    )


def _constants(code: types.CodeType) -> tuple[Any, ...]:
    """Drop a docstring, which is the first constant of a function that has one.

    A function without one has None there, or (from 3.14 on) a flag tells.
    """
    constants = code.co_consts
    documented = code.co_flags & 0x4000000 if sys.version_info >= (3, 14) else True
    if documented and constants and isinstance(constants[0], str):
        return (None, *constants[1:])
    return constants


def _constant(value: Any) -> Any:
    return _code(value) if isinstance(value, types.CodeType) else value
