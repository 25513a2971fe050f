"""Options that select calls by what they hold."""

from __future__ import annotations

import argparse
from typing import Any

from fleche_like.calls import Expression, arg
from fleche_like.cli.conditions import parse_argument, parse_condition
from fleche_like.query import Query


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add ``--where`` and ``--arg``."""
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="such as 'alpha > 0.1', 'result < 5', 'meta.runtime.walltime > 60',"
        " with and, or, not, in; several must all hold",
    )
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument's very value, type included: 1 is not 1.0; text needs no quotes",
    )


def parsed(args: argparse.Namespace) -> tuple[list[Expression], list[tuple[str, Any]]]:
    """Return the conditions and the arguments that were given.

    Raises:
        QueryError: one of them makes no sense.
    """
    return list(map(parse_condition, args.where)), list(map(parse_argument, args.arg))


def narrowed(query: Query, conditions: list[Expression], arguments: list[tuple[str, Any]]) -> Query:
    """Return the calls of ``query`` for which all of these hold."""
    query = query.where(*conditions)
    for name, value in arguments:
        # In a template None would match anything; here it is the value that was typed.
        has_none = value is None
        query = query.where(arg(name).is_none()) if has_none else query.where(**{name: value})
    return query
