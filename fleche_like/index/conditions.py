"""Templates and expressions as conditions on the table of calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa

from fleche_like.calls import (
    And,
    Comparison,
    Constant,
    Expression,
    Field,
    Membership,
    Not,
    Or,
    Prefix,
    QueryCall,
    Scalar,
    scalar_view,
)
from fleche_like.hashing import Digest
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.models import arguments, call_metadata, calls, functions
from fleche_like.index.scalars import (
    NOTHING,
    Bounds,
    Columns,
    Condition,
    at_most,
    begins_with,
    compared,
    either,
    exactly,
    has_digest,
    is_derived,
    is_none,
    is_untyped,
)
from fleche_like.index.spelling import ESCAPE, spell, spell_optional, spell_version
from fleche_like.index.typed import AWARE, FLOAT, NAIVE, NEAR, UNTYPED, after, typed
from fleche_like.support.sentinel import MISSING

MOST_CONSTANTS: Final = 400
"""Constants in one selection; more would meet the depth SQLite allows, and Python takes over."""

TABLES: Final[Mapping[str, sa.Table]] = {"arg": arguments, "meta": call_metadata}


class Where:
    """What a selection asks of a row of ``calls``.

    Attributes:
        conditions: all of them hold for every call that may be selected.
        joined: the alias of each field that every selected call surely has, with what is asked of
            it: a plan can start from any of them.
        within: the one column that orders a field, where all calls have it in one class.
        exact: whether the conditions say it all; else Python looks at each call found.
    """

    def __init__(self, ids: Identifiers) -> None:
        self._ids = ids
        self.conditions: list[Condition] = []
        self.joined: dict[tuple[str, str], Columns] = {}
        self.within: dict[tuple[str, str], str] = {}
        self.exact = True

    def add(self, bounds: Bounds) -> None:
        """Ask for a condition."""
        self.conditions.append(bounds.may)
        self.exact = self.exact and bounds.exact

    # --- templates -----------------------------------------------------------------------------

    def add_template(self, given: QueryCall) -> None:
        """Ask for a match with a template."""
        template = given.digested()
        identity = list(_identity(template))
        if identity:
            found = sa.select(functions.c.id).where(*identity)
            self.add(exactly(calls.c.function.in_(found)))
        if template.result is not None:
            self.add(exactly(has_digest(calls.c.result, template.result)))
        for name, pattern in (template.arguments or {}).items():
            self._join("arg", name, _argument((given.arguments or {})[name], pattern))
        for name, leaf in (template.metadata or {}).items():
            self._add_leaf(name, leaf)

    def _add_leaf(self, name: str, wanted: Scalar) -> None:
        if wanted is None:
            self.add(self._branch(name))
        else:
            self._join("meta", name, lambda columns: _identical(columns, wanted))

    def _branch(self, name: str) -> Bounds:
        """Return where there is metadata under a name, or under any name inside it."""
        leaf = self._ids.known_name(name)
        inner = self._ids.beginning(f"{name}.") if spell(name) == name else []
        sure = [number for number, _ in inner] + ([] if leaf is None else [leaf])
        # Names that are spelled by digest may lie inside anything.
        doubtful = [number for number, _ in self._ids.beginning(ESCAPE)]
        must = _under(call_metadata, call_metadata.c.name.in_(sure))
        if not doubtful:
            return exactly(must)
        return Bounds(must, _under(call_metadata, call_metadata.c.name.in_([*sure, *doubtful])))

    # --- expressions ---------------------------------------------------------------------------

    def add_expression(self, expression: Expression) -> None:
        """Ask for an expression to hold."""
        if isinstance(expression, And):
            for part in expression.parts:
                self.add_expression(part)
            return
        self._note_class(expression)
        if (field := _searchable(expression)) is not None:
            self._join(field.kind, field.name, lambda columns: _atom(columns, expression))
        else:
            self.add(self._bounds(expression))

    def _note_class(self, expression: Expression) -> None:
        """Note that a range leaves one class of scalars: only there a ``<`` can hold."""
        if isinstance(expression, Comparison) and expression.comparator not in {"==", "!="}:
            scalar, field = expression.constant.scalar, expression.field
            if scalar is MISSING or scalar is None or isinstance(scalar, bool) or field.path:
                return
            number = isinstance(scalar, int | float)
            self.within[field.kind, field.name] = "num" if number else "text"

    def _join(self, kind: str, name: str, condition: Any) -> None:
        """Ask for a row about a field, from which the search may start."""
        number = self._ids.known_name(name)
        if number is None:
            self.add(NOTHING)
            return
        columns = self.joined.get((kind, name))
        if columns is None:
            columns = self.joined[kind, name] = TABLES[kind].alias().c
            self.add(exactly(sa.and_(columns.call == calls.c.id, columns.name == number)))
        self.add(condition(columns))

    def _bounds(self, expression: Expression) -> Bounds:
        if _weight(expression) > MOST_CONSTANTS:
            return at_most(sa.true())
        if isinstance(expression, Not):
            part = self._bounds(expression.part)
            if part.exact:
                return exactly(sa.not_(part.may))
            return Bounds(sa.not_(part.may), sa.not_(part.must))
        if isinstance(expression, Or):
            return either(*map(self._bounds, expression.parts))
        if isinstance(expression, And):
            return _all(*map(self._bounds, expression.parts))
        return self._atom(expression)

    def _atom(self, expression: Expression) -> Bounds:
        field = _field(expression)
        if field is None:
            return at_most(sa.true())
        if field.path:
            return Bounds(sa.false(), self._present(field))
        if isinstance(expression, Comparison) and expression.comparator == "!=":
            equal = Comparison(field, "==", expression.constant)
            present = exactly(self._present(field))
            return _all(present, self._bounds(Not(equal)))
        if field.kind == "result":
            return _atom(calls.c, expression)
        number = self._ids.known_name(field.name)
        if number is None:
            return NOTHING
        table = TABLES[field.kind]
        row = _atom(table.c, expression)
        may = _under(table, table.c.name == number, row.may)
        return (
            exactly(may)
            if row.exact
            else Bounds(_under(table, table.c.name == number, row.must), may)
        )

    def _present(self, field: Field) -> Condition:
        if field.kind == "result":
            return calls.c.result.isnot(None)
        number = self._ids.known_name(field.name)
        if number is None:
            return sa.false()
        return _under(TABLES[field.kind], TABLES[field.kind].c.name == number)


def _atom(columns: Columns, expression: Expression) -> Bounds:
    """Return where a comparison other than ``!=``, a membership or a prefix holds for a row."""
    if isinstance(expression, Prefix):
        return begins_with(columns, expression.prefix)
    if isinstance(expression, Membership):
        return either(*(_equal(columns, constant) for constant in expression.constants))
    assert isinstance(expression, Comparison)
    if expression.comparator == "==":
        return _equal(columns, expression.constant)
    return compared(columns, expression.comparator, expression.constant)


def _equal(columns: Columns, constant: Constant) -> Bounds:
    scalar = constant.scalar
    by_value = compared(columns, "==", constant)
    if scalar is not MISSING and scalar != scalar:  # noqa: PLR0124  NaN equals nothing
        return NOTHING
    if columns is calls.c:
        return either(by_value, exactly(_by_digest(columns, calls.c.result, constant)))
    if "value" in columns:
        return either(by_value, exactly(_by_digest(columns, columns.value, constant)))
    if scalar is None:
        return exactly(is_none(columns))
    # Metadata has no digests: one that is given is compared in Python.
    return at_most(columns.kind.isnot(None)) if scalar is MISSING else by_value


def _by_digest(columns: Columns, column: Any, constant: Constant) -> Condition:
    if constant.scalar is MISSING:
        if columns is calls.c:
            return sa.and_(has_digest(column, constant.digest), is_derived())
        return _matching(columns, column, constant.digest, constant.digest).may
    # A scalar meets other scalars by value; by digest only what nobody can compare with it.
    found = sa.and_(has_digest(column, constant.digest), is_untyped(columns))
    return sa.and_(found, is_derived()) if columns is calls.c else found


def _argument(value: Any, pattern: Digest | None) -> Any:
    return lambda columns: (
        exactly(sa.true()) if pattern is None else _matching(columns, columns.value, value, pattern)
    )


def _matching(columns: Columns, column: Any, value: Any, pattern: Digest) -> Bounds:
    """Return where an argument's digest begins with ``pattern``, which is that of ``value``.

    Digests of arguments are indexed only where there is no scalar. A scalar that is given is
    searched by value; if a digest is given, all the scalars of that name are looked at.
    """
    found = has_digest(column, pattern)
    scalar = MISSING if isinstance(value, Digest) else scalar_view(value)
    _, num, text = UNTYPED if scalar is MISSING else typed(scalar)
    places = [sa.and_(columns.num.is_(None), columns.text.is_(None))]
    if isinstance(value, Digest):
        places += [columns.num.isnot(None), columns.text.isnot(None)]
    if num is not None:
        places.append(columns.num == num)
    if text is not None:
        places.append(columns.text == text)
    # No shorter form: each branch has an index of its own.
    return exactly(sa.or_(*(sa.and_(found, place) for place in places)))


def _identical(columns: Columns, wanted: Scalar) -> Bounds:
    """Return where a piece of metadata is that very value, type included."""
    kind, num, text = typed(wanted)
    same = sa.and_(
        columns.kind == kind,
        columns.num.is_(None) if num is None else columns.num == num,
        columns.text.is_(None) if text is None else columns.text == text,
    )
    # Zeros have signs, dates have zones and folds, and a near kind is no value: left to Python.
    plain = kind not in NEAR and kind not in {NAIVE, AWARE} and (kind != FLOAT or num != 0)
    return exactly(same) if plain else at_most(same)


def _identity(template: QueryCall) -> Iterator[Condition]:
    if template.name is not None:
        yield functions.c.name == spell(template.name)
    if template.module is not None:
        yield functions.c.module == spell_optional(template.module)
    if template.version is not None:
        yield functions.c.version == spell_version(template.version)
    if template.code is not None:
        yield functions.c.code >= template.code
        yield functions.c.code < after(template.code)


def _under(table: sa.Table, *conditions: Condition) -> Condition:
    """Return where a call has a row in ``table``; never NULL, since ``call`` never is."""
    return calls.c.id.in_(sa.select(table.c.call).where(*conditions))


def _all(*parts: Bounds) -> Bounds:
    may = sa.and_(sa.true(), *(part.may for part in parts))
    if all(part.exact for part in parts):
        return exactly(may)
    return Bounds(sa.and_(sa.true(), *(part.must for part in parts)), may)


def _field(expression: Expression) -> Field | None:
    if isinstance(expression, Comparison | Membership | Prefix):
        return expression.field
    return None


def _searchable(expression: Expression) -> Field | None:
    """Return the field of a condition that asks for a row of arguments or metadata."""
    field = _field(expression)
    if field is None or field.path or field.kind == "result":
        return None
    negative = isinstance(expression, Comparison) and expression.comparator == "!="
    return None if negative or _weight(expression) > MOST_CONSTANTS else field


def _weight(expression: Expression) -> int:
    """Return how many constants an expression has; without recursion, which has its limits too."""
    total, pending = 0, [expression]
    while pending:
        one = pending.pop()
        if isinstance(one, And | Or):
            pending.extend(one.parts)
        elif isinstance(one, Not):
            total += 1
            pending.append(one.part)
        else:
            total += len(one.constants) if isinstance(one, Membership) else 1
    return total
