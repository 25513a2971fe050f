"""Joining conditions and argument values to what is asked already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fleche_like.calls import Expression, QueryCall, Selection
from fleche_like.errors import QueryError


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
        QueryError: something is no condition.
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
        return
    hint = "; a function goes to filter()" if callable(condition) else ""
    raise QueryError(
        f"no condition: {type(condition).__name__}, where one such as arg('x') > 1 is wanted{hint}"
    )
