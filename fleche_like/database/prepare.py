"""SQLAlchemy Core statements as DBAPI text, compiled once and run often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, cast

from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

Row = tuple[Any, ...]
Parameters = Sequence[Any]


class Prepared(NamedTuple):
    """A statement as text of one dialect.

    Attributes:
        text: what the DBAPI driver is given, with positional placeholders.
        arrange: puts the caller's parameters into the order of the placeholders; ``None`` if they
            are in that order already.
    """

    text: str
    arrange: Callable[[Parameters], Parameters] | None = None


def prepare(statement: ClauseElement, order: Sequence[str], dialect: Dialect) -> Prepared:
    """Compile a statement whose parameters are given later, in ``order``.

    Args:
        statement: Core statement; what varies is a ``bindparam`` with a name.
        order: the names of the parameters in the order in which callers will give them.
        dialect: a dialect with a positional parameter style.
    """
    compiled = _compiled(statement, dialect)
    names = _places(compiled)
    if names == list(order):
        return Prepared(compiled.string)
    return Prepared(compiled.string, _arrangement(names, order, compiled.params or {}))


def bound(statement: ClauseElement, dialect: Dialect) -> tuple[Prepared, Row]:
    """Compile a statement that holds its own parameters; return its text and their values."""
    compiled = _compiled(statement, dialect)
    values = compiled.params or {}
    return Prepared(compiled.string), tuple(values[name] for name in _places(compiled))


def arranged(prepared: Prepared, params: Parameters) -> tuple[str, Parameters]:
    """Return the text of a statement, and parameters in the order of its placeholders."""
    text, arrange = prepared
    return text, params if arrange is None else arrange(params)


def _compiled(statement: ClauseElement, dialect: Dialect) -> SQLCompiler:
    # Lists of `IN` become plain placeholders at once: there is no later step that expands them.
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return cast("SQLCompiler", compiled)


def _places(compiled: SQLCompiler) -> list[str]:
    # Statements that define tables are compiled by something else, and have no parameters.
    return list(getattr(compiled, "positiontup", None) or ())


def _arrangement(
    names: Sequence[str], order: Sequence[str], own: Mapping[str, Any]
) -> Callable[[Parameters], Parameters]:
    # What the caller does not give is a constant of the statement: it goes behind what is given.
    constants = [name for name in dict.fromkeys(names) if name not in order]
    behind = tuple(own[name] for name in constants)
    known = [*order, *constants]
    places = [known.index(name) for name in names]
    if len(places) == 1:
        return lambda given: ((*given, *behind)[places[0]],)
    pick = itemgetter(*places)
    return lambda given: pick((*given, *behind)) if behind else pick(given)
