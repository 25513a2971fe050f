"""``Ignored[...]`` and ``Required[...]``: what annotations say about arguments and the key."""

from __future__ import annotations

import ast
import enum
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

from fleche_like.support.syntax import parse_expression

T = TypeVar("T")


class Role(enum.Enum):
    """What a parameter is to the key."""

    IGNORED = "ignored"
    REQUIRED = "required"


#: No part of the key: ``def f(x, verbose: Ignored[bool] = False)``. Checkers see plain ``bool``.
Ignored: TypeAlias = Annotated[T, Role.IGNORED]

#: Cached only when passed explicitly: ``def f(x, seed: Required[int | None] = None)``.
Required: TypeAlias = Annotated[T, Role.REQUIRED]


def roles(function: types.FunctionType) -> dict[str, frozenset[Role]]:
    """Return the roles that the annotations of a function give to its parameters.

    Annotations that are text (``from __future__ import annotations``) are resolved one by one; one
    that cannot be, because it names what only a type checker imports, still counts if it begins
    with ``Ignored[`` or ``Required[`` under whatever name.

    >>> def f(x, verbose: Ignored[bool] = False): ...
    >>> roles(f)["verbose"]
    frozenset({<Role.IGNORED: 'ignored'>})
    """
    try:
        annotations = dict(function.__annotations__)
    except NameError:  # Python 3.14 evaluates them only now
        return {}
    scope = names_in_scope(function)
    found = {name: _roles_of(annotation, scope) for name, annotation in annotations.items()}
    return {name: given for name, given in found.items() if given}


def names_in_scope(function: types.FunctionType) -> dict[str, Any]:
    """Return what names mean in the annotations of a function: globals, then closure."""
    scope: dict[str, Any] = dict(function.__globals__)
    scope.update({kind.__name__: kind for kind in getattr(function, "__type_params__", ())})
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # a variable of the enclosing function that has no value yet
            continue
    return scope


def _roles_of(annotation: Any, scope: Mapping[str, Any]) -> frozenset[Role]:
    if not isinstance(annotation, str):
        return frozenset(_marked(annotation))
    try:
        return frozenset(_marked(_evaluate(annotation, scope)))
    except Exception:  # noqa: BLE001  an annotation may raise anything, and is none of our business
        return frozenset(_marked_heads(annotation, scope))


def _marked(annotation: Any) -> Iterator[Role]:
    if get_origin(annotation) is Annotated:
        yield from (mark for mark in annotation.__metadata__ if isinstance(mark, Role))
        yield from _marked(annotation.__origin__)
    elif get_origin(annotation) in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _marked(member)


def _marked_heads(annotation: str, scope: Mapping[str, Any]) -> Iterator[Role]:
    try:
        node: ast.expr = parse_expression(annotation).body
    except (SyntaxError, ValueError, RecursionError):
        return
    while isinstance(node, ast.Subscript):
        try:
            yield from _marked(_evaluate(ast.unparse(node.value), scope))
        except Exception:  # noqa: BLE001  as above
            return
        node = node.slice


def _evaluate(annotation: str, scope: Mapping[str, Any]) -> Any:
    # What typing.get_type_hints does too: the text is the function's own source.
    return eval(annotation, dict(scope))  # noqa: S307
