"""Binding of part of the arguments, for templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter as Kinds
from typing import Any

from fleche_like.calls.codegen import Plan


def bind_partially(
    plan: Plan,
    flatten: Callable[[Mapping[str, Any]], dict[str, Any]],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments that are spelt out, in canonical order; no defaults, none required.

    Raises:
        TypeError: there is no such parameter, or it is given twice.
    """
    given = _by_position(plan, args)
    rest = _by_keyword(plan, kwargs, given)
    ordered = {one.name: given[one.name] for one in plan.kept if one.name in given}
    variable = plan.signature.of_kind(Kinds.VAR_KEYWORD)
    keeps_rest = variable is not None and variable.name not in plan.ignored
    return {**ordered, **flatten(rest)} if keeps_rest else ordered


def _by_position(plan: Plan, args: tuple[Any, ...]) -> dict[str, Any]:
    names = [one.name for one in plan.signature.parameters if one.is_positional]
    given = dict(zip(names, args, strict=False))
    extra, variable = args[len(names) :], plan.signature.of_kind(Kinds.VAR_POSITIONAL)
    if extra and variable is None:
        raise TypeError(
            f"{plan.qualname}() takes {len(names)} positional arguments but {len(args)} were given"
        )
    return {**given, variable.name: extra} if extra and variable is not None else given


def _by_keyword(plan: Plan, kwargs: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Add to ``given`` what names a parameter; return the rest."""
    names = {one.name for one in plan.signature.parameters if one.is_keyword}
    twice = sorted(names & given.keys() & kwargs.keys())
    if twice:
        raise TypeError(f"{plan.qualname}() got multiple values for argument {twice[0]!r}")
    rest = {name: value for name, value in kwargs.items() if name not in names}
    if rest and plan.signature.of_kind(Kinds.VAR_KEYWORD) is None:
        unknown = next(iter(rest))
        raise TypeError(f"{plan.qualname}() got an unexpected keyword argument {unknown!r}")
    given.update((name, value) for name, value in kwargs.items() if name in names)
    return rest
