"""Joining conditions and argument values to what is asked already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fleche_like.calls import And, Expression, Not, Or, QueryCall, Selection
from fleche_like.errors import QueryError

MOST_NESTED: Final = 200
"""Conditions inside conditions; each level takes some of Python's stack wherever they are read."""


def contradicts(template: QueryCall, arguments: Mapping[str, Any]) -> bool:
    """Return whether ``arguments`` ask for an argument that ``template`` asks for already.

    A template holds one value for a name, so that the second cannot be joined to it.
    """
    asked = template.arguments or {}
    return any(
        value is not None and asked.get(name) is not None for name, value in arguments.items()
    )


def narrowed(
    selection: Selection, conditions: tuple[Expression, ...], arguments: Mapping[str, Any]
) -> Selection:
    """Return ``selection`` with further conditions and argument values.

    Raises:
        QueryError: something is no condition, or too deeply nested.
    """
    for condition in conditions:
        _check(condition)
    if arguments:
        selection = replace(selection, template=_joined(selection.template, arguments))
    return replace(selection, conditions=(*selection.conditions, *conditions))


def _joined(template: QueryCall, arguments: Mapping[str, Any]) -> QueryCall:
    asked = dict(template.arguments or {})
    for name, value in arguments.items():
        if value is not None or name not in asked:
            asked[name] = value
    return replace(template, arguments=asked)


def _check(condition: object) -> None:
    if isinstance(condition, Expression):
        _check_depth(condition)
        return
    hint = "; a function goes to filter()" if callable(condition) else ""
    raise QueryError(
        f"no condition: {type(condition).__name__}, where one such as arg('x') > 1 is wanted{hint}"
    )


def _check_depth(condition: Expression) -> None:
    level: list[Expression] = [condition]
    for _ in range(MOST_NESTED):
        level = [part for one in level for part in _parts(one)]
        if not level:
            return
    raise QueryError(
        f"conditions nested more than {MOST_NESTED} deep: join those that are to hold together,"
        " or one by one, in a row (a & b & c), or give them to where() one by one"
    )


def _parts(condition: Expression) -> tuple[Expression, ...]:
    if isinstance(condition, Not):
        return (condition.part,)
    return condition.parts if isinstance(condition, And | Or) else ()
