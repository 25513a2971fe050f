"""Conditions as text, turned into expressions.

The text is Python's syntax, parsed and never evaluated::

    alpha > 0.1                       an argument
    0.1 < alpha <= 5 and not debug == True
    solver in ["lu", "qr"] or solver.startswith("s")
    tag is None                       the value None; absent arguments are not None
    cfg["optimizer"]["lr"] >= 1e-3    a part of an argument
    result < 5                        the result
    meta.runtime.walltime > 60        metadata
    meta.runtime.started > datetime("2026-01-31T12:00:00+00:00")
    data == digest("3f9a12")          a value by its full or short digest
    arg("result") == 1                an argument that is named like something else
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fleche_like.calls import Expression, Field, arg, meta, result
from fleche_like.errors import FlecheError, QueryError
from fleche_like.hashing import Digest
from fleche_like.support.syntax import parse_expression

MAX_LENGTH = 10_000

_COMPARE: dict[type[ast.cmpop], Callable[[Field, Any], Expression]] = {
    ast.Eq: lambda field, value: field == value,
    ast.NotEq: lambda field, value: field != value,
    ast.Lt: lambda field, value: field < value,
    ast.LtE: lambda field, value: field <= value,
    ast.Gt: lambda field, value: field > value,
    ast.GtE: lambda field, value: field >= value,
}
_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_FIELDS: dict[str, Callable[..., Field]] = {"arg": arg, "meta": meta, "result": result}
_VALUES: dict[str, Callable[[str], Any]] = {"datetime": datetime.fromisoformat, "digest": Digest}


def parse_condition(text: str) -> Expression:
    """Return the expression that ``text`` stands for.

    Raises:
        QueryError: it stands for none; the message says where and what is wanted.

    >>> parse_condition("0.1 < alpha and solver in ['lu', 'qr']")
    ((arg('alpha') > 0.1) & arg('solver').in_(['lu', 'qr']))
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"a condition of {len(text)} characters; {MAX_LENGTH} are allowed")
    try:
        return _condition(parse_expression(text).body)
    except FlecheError:
        raise
    except (SyntaxError, RecursionError, MemoryError) as error:
        hint = "; equality is written ==" if "=" in text and "==" not in text else ""
        raise QueryError(
            f"this is no condition, such as 'alpha > 0.2': {text[:80]!r}{hint}"
        ) from error
    except (ValueError, TypeError) as error:
        raise QueryError(f"in {text[:80]!r}: {error}") from error


def parse_argument(text: str) -> tuple[str, Any]:
    """Return name and value of ``alpha=0.1``; a value that is no Python literal is text.

    Raises:
        QueryError: there is no name.

    >>> parse_argument("alpha=0.1"), parse_argument("solver=lu"), parse_argument("n='1'")
    (('alpha', 0.1), ('solver', 'lu'), ('n', '1'))
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise QueryError(f"an argument is given as name=value, not {text[:80]!r}")
    try:
        return name.strip(), ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return name.strip(), value


def _condition(node: ast.expr) -> Expression:
    match node:
        case ast.BoolOp(op=op, values=values):
            parts = [_condition(value) for value in values]
            return _joined(parts, all_of=isinstance(op, ast.And))
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~_condition(operand)
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return _condition(left) & _condition(right)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _condition(left) | _condition(right)
        case ast.Compare():
            return _comparison(node)
        case ast.Call(func=ast.Attribute(value=value, attr=method)):
            return _method(node, value, method)
    raise _refusal(node, "a comparison is wanted here, such as alpha > 0.1 or flag == True")


def _joined(parts: list[Expression], *, all_of: bool) -> Expression:
    joined = parts[0]
    for part in parts[1:]:
        joined = joined & part if all_of else joined | part
    return joined


def _comparison(node: ast.Compare) -> Expression:
    sides = [node.left, *node.comparators]
    pairs = zip(sides, node.ops, sides[1:], strict=False)
    return _joined([_compared(*pair) for pair in pairs], all_of=True)


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Expression:
    kind = type(op)
    if not _is_field(left):
        if not _is_field(right):
            raise _refusal(
                left, "one side must be a field, such as alpha, result or meta.runtime.walltime"
            )
        if kind not in _FLIPPED:
            raise _refusal(left, "the field comes first here")
        left, kind, right = right, _FLIPPED[kind], left
    elif _is_field(right):
        raise _refusal(right, "one side must be a value; text goes in quotes")
    return _atom(_field(left), kind, _value(right), right)


def _atom(field: Field, kind: type[ast.cmpop], value: Any, node: ast.expr) -> Expression:
    if kind in _COMPARE:
        return _COMPARE[kind](field, value)
    if kind in (ast.In, ast.NotIn):
        if not isinstance(value, list | tuple | set):
            raise _refusal(node, "`in` wants a list; parts of text are not searched")
        found = field.in_(value)
        return found if kind is ast.In else ~found
    if value is not None:
        raise _refusal(node, "`is` goes with None only")
    return field.is_none() if kind is ast.Is else ~field.is_none()


def _method(node: ast.Call, owner: ast.expr, method: str) -> Expression:
    values = [_value(argument) for argument in node.args]
    if method not in ("startswith", "in_", "is_none") or node.keywords:
        raise _refusal(node, "fields have startswith(text), in_(list) and is_none()")
    condition: Expression = getattr(_field(owner), method)(*values)
    return condition


def _is_field(node: ast.expr) -> bool:
    match node:
        case ast.Name() | ast.Attribute():
            return True
        case ast.Subscript(value=value):
            return _is_field(value)
        case ast.Call(func=ast.Name(id=name)):
            return name in _FIELDS
    return False


def _field(node: ast.expr) -> Field:
    match node:
        case ast.Name(id="result"):
            return result()
        case ast.Name(id=name) if name not in _FIELDS:
            return arg(name)
        case ast.Attribute():
            return _dotted(node)
        case ast.Subscript(value=value, slice=item):
            return _field(value)[_value(item)]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FIELDS:
            return _FIELDS[name](*map(_text, args))
    raise _refusal(node, "no field; there are alpha, cfg['lr'], result, meta.runtime.walltime")


def _dotted(node: ast.expr) -> Field:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    dotted = ".".join(reversed(names))
    if isinstance(node, ast.Name) and node.id == "meta":
        return meta(dotted)
    if isinstance(node, ast.Name) and node.id == "arg" and len(names) == 1:
        return arg(dotted)
    raise _refusal(node, "only metadata has dots, as in meta.runtime.walltime")


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _VALUES:
            return _VALUES[name](_text(argument))
    try:
        return ast.literal_eval(node)
    except ValueError:
        wanted = "a plain value is wanted: a number, text in quotes, True, None, a list"
        raise _refusal(node, wanted) from None


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise _refusal(node, "text in quotes is wanted")


def _refusal(node: ast.expr, wanted: str) -> QueryError:
    return QueryError(f"in a condition, at {ast.unparse(node)[:80]!r}: {wanted}")
