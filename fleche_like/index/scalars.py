"""Comparisons with a constant, as conditions on typed columns."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from fleche_like.calls import Comparator, Constant
from fleche_like.hashing import DIGEST_LENGTH, Digest
from fleche_like.index.models import calls
from fleche_like.index.typed import (
    EXACT_BELOW,
    NAN,
    NEAR,
    NONE,
    TEXT,
    after,
    cut,
    typed,
)
from fleche_like.support.sentinel import MISSING

Condition = sa.ColumnElement[bool]
Columns = Any
"""The columns of a table or an alias, with ``kind``, ``num``, ``text`` and perhaps ``value``."""

_AMBIGUOUS_END: Final = "\ue000"
_OPERATORS: Final[dict[str, Callable[[Any, Any], Condition]]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INCLUSIVE: Final[dict[str, str]] = {"==": "==", "<": "<=", "<=": "<=", ">": ">=", ">=": ">="}
_STRICT: Final[dict[str, str]] = {"<": "<", "<=": "<", ">": ">", ">=": ">"}


class Bounds(NamedTuple):
    """A condition from below and above: what surely holds, and what may hold.

    Where both are one object, SQL answers exactly; else Python has to look at what SQL finds by
    ``may``. Negation swaps them.
    """

    must: Condition
    may: Condition

    @property
    def exact(self) -> bool:
        """Whether there is nothing left to look at."""
        return self.must is self.may


def exactly(condition: Condition) -> Bounds:
    """Return the bounds of a condition that SQL decides."""
    return Bounds(condition, condition)


NOTHING: Final = exactly(sa.false())


def at_most(condition: Condition) -> Bounds:
    """Return the bounds of what SQL can narrow down and not decide."""
    return Bounds(sa.false(), condition)


def either(*parts: Bounds) -> Bounds:
    """Return the disjunction of bounds."""
    if all(part.exact for part in parts):
        return exactly(sa.or_(sa.false(), *(part.may for part in parts)))
    return Bounds(
        sa.or_(sa.false(), *(part.must for part in parts)),
        sa.or_(sa.false(), *(part.may for part in parts)),
    )


def compared(columns: Columns, comparator: Comparator, constant: Constant) -> Bounds:
    """Return where a comparison other than ``!=`` holds for the row's scalar.

    Every condition is true or false and never NULL, whatever the columns hold.
    """
    if constant.scalar is MISSING or constant.scalar is None:
        return NOTHING
    kind, num, text = typed(constant.scalar)
    if num is not None:
        return _number(columns, comparator, num)
    return NOTHING if text is None else _text(columns, comparator, kind, text)


def is_none(columns: Columns) -> Condition:
    """Return where the row's scalar is ``None``."""
    return sa.and_(columns.kind.isnot(None), columns.kind == NONE)


def begins_with(columns: Columns, prefix: str) -> Bounds:
    """Return where the row's scalar is text that begins with ``prefix``."""
    start, was_cut = cut(prefix)
    doubtful = was_cut or _AMBIGUOUS_END in start
    if doubtful:
        # What was cut off, or stands in for a surrogate, is looked at in Python.
        start = start[: start.index(_AMBIGUOUS_END)] if _AMBIGUOUS_END in start else start
    found = _within(columns, start, after(start))
    return at_most(found) if doubtful else exactly(found)


def has_digest(column: Any, pattern: Digest) -> Condition:
    """Return where a digest begins with ``pattern``."""
    if len(pattern) == DIGEST_LENGTH:
        return sa.and_(column.isnot(None), column == bytes.fromhex(pattern))
    low = bytes.fromhex(pattern.ljust(DIGEST_LENGTH, "0"))
    high = bytes.fromhex(pattern.ljust(DIGEST_LENGTH, "f"))
    return sa.and_(column.isnot(None), column >= low, column <= high)


def is_untyped(columns: Columns) -> Condition:
    """Return where the value may be one that no scalar compares with."""
    return sa.and_(columns.num.is_(None), columns.text.is_(None), columns.kind != NAN)


def indexed(columns: Columns, column: Any) -> Condition:
    """Return where an index holds a column: not where it is NULL, nor in a row that is late."""
    if columns is not calls.c:
        return sa.and_(column.isnot(None))
    # Repeated in every branch: SQLite looks for it there, to see that the partial index will do.
    return sa.and_(column.isnot(None), is_derived())


def is_derived() -> Condition:
    """Return where a row of ``calls`` is not late."""
    # A literal, not a parameter: it has to be read as the condition of the indexes.
    return calls.c.kind >= sa.literal_column("0")


def _number(columns: Columns, comparator: Comparator, num: float) -> Bounds:
    def holds(name: str) -> Condition:
        return sa.and_(indexed(columns, columns.num), _OPERATORS[name](columns.num, num))

    if abs(num) < EXACT_BELOW:
        return exactly(holds(comparator))
    # Just at the edge a double may stand for several integers.
    return Bounds(
        holds(_STRICT[comparator]) if comparator in _STRICT else sa.false(),
        holds(_INCLUSIVE[comparator]),
    )


def _text(columns: Columns, comparator: Comparator, kind: int, text: str) -> Bounds:
    low, high = text[0], chr(ord(text[0]) + 1)

    def holds(name: str) -> Condition:
        condition = _OPERATORS[name](columns.text, text)
        if name == "==":
            return sa.and_(indexed(columns, columns.text), condition)
        if name in {"<", "<="}:
            return sa.and_(indexed(columns, columns.text), columns.text >= low, condition)
        return sa.and_(indexed(columns, columns.text), condition, columns.text < high)

    if kind in NEAR or text.endswith(_AMBIGUOUS_END):
        return Bounds(
            holds(_STRICT[comparator]) if comparator in _STRICT else sa.false(),
            holds(_INCLUSIVE[comparator]),
        )
    if kind != TEXT:
        return exactly(holds(comparator))
    # A text that was cut stands at the place of its beginning, and is larger than that.
    if comparator == "==":
        return exactly(sa.and_(holds("=="), columns.kind == TEXT))
    if comparator == "<=":
        return exactly(sa.and_(holds("<="), sa.or_(columns.text < text, columns.kind == TEXT)))
    if comparator == ">":
        return exactly(sa.and_(holds(">="), sa.or_(columns.text > text, columns.kind != TEXT)))
    return exactly(holds(comparator))


def _within(columns: Columns, low: str, high: str | None) -> Condition:
    bounds = [indexed(columns, columns.text), columns.text >= low]
    if high is not None:
        bounds.append(columns.text < high)
    return sa.and_(*bounds)
