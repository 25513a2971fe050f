"""Templates and expressions as conditions on the table of calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

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
from fleche_like.index.spelling import ESCAPE, OF_PARTS, Name, spell, spell_optional, spell_version
from fleche_like.index.typed import AWARE, FLOAT, NAIVE, NEAR, OTHER, UNTYPED, after, typed
from fleche_like.support.sentinel import MISSING

MOST_CONSTANTS: Final = 400
"""Constants in one selection; more would meet the depth SQLite allows, and Python takes over."""

MOST_JOINED: Final = 16
"""Fields that may begin a search; SQLite joins no more than 64 tables."""

TABLES: Final[Mapping[str, sa.Table]] = {"arg": arguments, "meta": call_metadata}

Place: TypeAlias = tuple[str, Name]
"""The table that has the rows of a field, and the name they have there."""


def place_of(field: Field) -> Place:
    """Return where the rows of a field are; for a result without a path that is ``calls``."""
    return ("arg", (field.name, field.path)) if field.path else (field.kind, field.name)


class Where:
    """What a selection asks of a row of ``calls``.

    Attributes:
        conditions: all of them hold for every call that may be selected.
        joined: the alias of each field that every selected call surely has, with what is asked of
            it: a plan can start from any of them.
        within: the one column that orders a field, where all calls have it in one class.
        exact: whether the conditions say it all; else Python looks at each call found.
        must: where this holds, Python need not look.
        identity: the select of the functions that are asked for, if there is one.
        on_rows: what is asked of the rows in :attr:`joined`.
        is_by_rows: whether these two say it all.
        watermark: up to which call the index says all; ``None`` where it always does.
        drivers: selects of the ids that what is asked of one field leaves, each along an index, by
            the place of that field.

    Args:
        ids: of names.
        is_any: runs a select and tells whether it gives a row.
        lead: the field along whose index the calls are found, and no other; SQLite's planner
            would guess. Without it the planner chooses.
    """

    def __init__(
        self, ids: Identifiers, is_any: Callable[[Any], bool], lead: Place | None = None
    ) -> None:
        self._ids = ids
        self._lead = lead
        self.is_any = is_any
        self.conditions: list[Condition] = []
        self.must: list[Condition] = []
        self.drivers: dict[Place | None, Any] = {}
        self.joined: dict[Place, Columns] = {}
        self.within: dict[Place, str] = {}
        self.exact = True
        self._unknown: dict[Place, Condition | None] = {}
        self.watermark: int | None = None
        self.identity: Any = None
        self.on_rows: dict[Place, list[Condition]] = {}
        self.is_by_rows = True
        self._aliases = 0

    def add(self, bounds: Bounds, *, is_other: bool = True) -> None:
        """Ask for a condition.

        Args:
            bounds: the condition.
            is_other: whether it is none of those that :attr:`is_by_rows` means.
        """
        self.is_by_rows = self.is_by_rows and not is_other
        self.conditions.append(bounds.may)
        self.must.append(bounds.must)
        self.exact = self.exact and bounds.exact

    # --- templates -----------------------------------------------------------------------------

    def add_template(self, given: QueryCall) -> None:
        """Ask for a match with a template."""
        template = given.digested()
        identity = list(_identity(template))
        if identity:
            found = sa.select(functions.c.id).where(*identity)
            self.identity = found
            function = _unsearched(calls.c.function, self._lead)
            self.add(exactly(function.in_(found)), is_other=False)
            driver = sa.select(calls.c.id).where(calls.c.function.in_(found), is_derived())
            self.drivers[None] = driver
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
        # A name that ends in a blank is spelled by digest, and what is inside it as it is.
        begin = f"{name}."
        inner = self._ids.beginning(begin) if spell(begin) == begin else []
        sure = [number for number, _ in inner] + ([] if leaf is None else [leaf])
        # Names that are spelled by digest may lie inside anything.
        escaped = self._ids.beginning(ESCAPE)
        doubtful = [number for number, name in escaped if not name.startswith(OF_PARTS)]
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
        field = _searchable(expression)
        if field is None or not self.is_known(field):
            self.add(self._bounds(expression))
            return
        self._note_class(field, expression)
        if field.kind == "result" and not field.path:
            self.add(self._bounds(expression))
        else:
            has_digests = not field.path
            self._join(*place_of(field), lambda columns: _atom(columns, expression, has_digests))

    def _note_class(self, field: Field, expression: Expression) -> None:
        """Note that a range leaves one class of scalars: only there a ``<`` can hold."""
        if isinstance(expression, Comparison) and expression.comparator != "==":
            scalar = expression.constant.scalar
            if scalar is MISSING or scalar is None or isinstance(scalar, bool):
                return
            number = isinstance(scalar, int | float)
            self.within[place_of(field)] = "num" if number else "text"

    def is_known(self, field: Field) -> bool:
        """Whether the rows tell all about a field, for all calls that may be selected."""
        return self.unknown(field) is None

    def unknown(self, field: Field) -> Condition | None:
        """Return where only loading tells about a field; ``None`` if that is nowhere."""
        return self._unknown_parts(field) if field.path else None

    def _unknown_parts(self, field: Field) -> Condition | None:
        """Return where only loading tells what is at a path; ``None`` if that is nowhere."""
        place = place_of(field)
        if place not in self._unknown:
            found, statements = self._where_unknown(field)
            if any(map(self.is_any, statements)):
                self._unknown[place] = found
            else:
                # Of those that come from now on nothing is claimed.
                self._unknown[place] = None
                self.add(exactly(sa.not_(found)))
        return self._unknown[place]

    def _where_unknown(self, field: Field) -> tuple[Condition, list[Any]]:
        """Return where a value on the way to a part was not looked into, and what finds such."""
        steps = [(field.name, field.path[:end]) for end in range(1, len(field.path) + 1)]
        ways: list[Name] = [*steps] if field.kind == "result" else [field.name, *steps]
        numbers = [number for way in ways if (number := self._ids.known_name(way)) is not None]
        found = sa.select(arguments.c.call).where(
            arguments.c.name.in_(numbers), *_is_unknown(arguments.c)
        )
        if field.kind != "result":
            return calls.c.id.in_(found), [found]
        own = sa.and_(is_derived(), *_is_unknown(calls.c))
        return sa.or_(calls.c.id.in_(found), own), [found, sa.select(calls.c.id).where(own)]

    def _join(self, kind: str, name: Name, condition: Any) -> None:
        """Ask for a row about a field, from which the search may start."""
        number = self._ids.known_name(name)
        if number is None:
            self.add(NOTHING)
            return
        if self._lead is not None and (kind, name) != self._lead:
            self._check_row(self._next_rows(kind), number, condition)
            return
        columns = self.joined.get((kind, name))
        if columns is None and len(self.joined) >= MOST_JOINED:
            self._add_row(TABLES[kind], number, condition)
            return
        if columns is None:
            columns = self.joined[kind, name] = self._next_rows(kind)
            same = calls.c.id == _unsearched(columns.call, self._lead)
            self.add(exactly(sa.and_(same, columns.name == number)), is_other=False)
            self.on_rows[kind, name] = [columns.name == number]
        bounds = condition(columns)
        self.on_rows[kind, name].append(bounds.may)
        # All that is asked of one field together: each end of a narrow range leaves many calls.
        self.drivers[kind, name] = sa.select(columns.call).where(*self.on_rows[kind, name])
        self.add(bounds, is_other=False)

    def _next_rows(self, kind: str) -> Columns:
        """Return the columns of a table's rows under a name that nothing here has yet."""
        self._aliases += 1
        return _rows_numbered(kind, self._aliases)

    def _check_row(self, columns: Columns, number: int, condition: Any) -> None:
        """Ask for a row about a field, to be looked up for each call that is found."""
        row = condition(columns)
        own = (columns.call == calls.c.id, columns.name == number)
        may = sa.exists(sa.select(columns.call).where(*own, row.may))
        must = may if row.exact else sa.exists(sa.select(columns.call).where(*own, row.must))
        self.add(Bounds(must, may))

    def _add_row(self, table: sa.Table, number: int, condition: Any) -> None:
        """Ask for a row about a field, where there are too many to join."""
        if len(self.conditions) > MOST_CONSTANTS:
            self.add(at_most(sa.true()))
            return
        row = condition(table.c)
        may = _under(table, table.c.name == number, row.may)
        must = may if row.exact else _under(table, table.c.name == number, row.must)
        self.add(Bounds(must, may))

    def _bounds(self, expression: Expression) -> Bounds:
        if _weight(expression) > MOST_CONSTANTS:
            return at_most(sa.true())
        if isinstance(expression, Not):
            return _negated(self._bounds(expression.part))
        if isinstance(expression, Or):
            return either(*map(self._bounds, expression.parts))
        if isinstance(expression, And):
            return _all(*map(self._bounds, expression.parts))
        return self._atom(expression)

    def _atom(self, expression: Expression) -> Bounds:
        field = _field(expression)
        if field is None:
            return at_most(sa.true())
        found = self._row_atom(field, expression)
        unknown = self.unknown(field)
        if unknown is None:
            return found
        return Bounds(sa.and_(found.must, sa.not_(unknown)), sa.or_(found.may, unknown))

    def _row_atom(self, field: Field, expression: Expression) -> Bounds:
        """Return where an atom holds for what the rows tell."""
        if isinstance(expression, Comparison) and expression.comparator == "!=":
            equal = Comparison(field, "==", expression.constant)
            return _all(exactly(self._present(field)), _negated(self._row_atom(field, equal)))
        kind, name = place_of(field)
        if kind == "result":
            return _atom(calls.c, expression)
        number = self._ids.known_name(name)
        if number is None:
            return NOTHING
        table = TABLES[kind]
        row = _atom(table.c, expression, not field.path)
        may = _under(table, table.c.name == number, row.may)
        return (
            exactly(may)
            if row.exact
            else Bounds(_under(table, table.c.name == number, row.must), may)
        )

    def _present(self, field: Field) -> Condition:
        kind, name = place_of(field)
        if kind == "result":
            return calls.c.result.isnot(None)
        number = self._ids.known_name(name)
        if number is None:
            return sa.false()
        return _under(TABLES[kind], TABLES[kind].c.name == number)


@functools.lru_cache(maxsize=256)
def _rows_numbered(kind: str, number: int) -> Columns:
    # Making an alias takes longer than finding twenty calls by it.
    return TABLES[kind].alias(f"{kind}_{number}").c


def _atom(columns: Columns, expression: Expression, has_digests: bool = True) -> Bounds:
    """Return where a comparison other than ``!=``, a membership or a prefix holds for a row."""
    if isinstance(expression, Prefix):
        return begins_with(columns, expression.prefix)
    if isinstance(expression, Membership):
        constants = expression.constants
        return either(*(_equal(columns, constant, has_digests) for constant in constants))
    assert isinstance(expression, Comparison)
    if expression.comparator == "==":
        return _equal(columns, expression.constant, has_digests)
    return compared(columns, expression.comparator, expression.constant)


def _equal(columns: Columns, constant: Constant, has_digests: bool) -> Bounds:
    scalar = constant.scalar
    by_value = compared(columns, "==", constant)
    if scalar is not MISSING and scalar != scalar:  # noqa: PLR0124  NaN equals nothing
        return NOTHING
    if columns is calls.c:
        return either(by_value, exactly(_by_digest(columns, calls.c.result, constant)))
    if has_digests and "value" in columns:
        return either(by_value, exactly(_by_digest(columns, columns.value, constant)))
    if scalar is None:
        return exactly(is_none(columns))
    # Metadata has no digests, and parts rarely: one that is given is compared in Python.
    return at_most(columns.kind.isnot(None)) if scalar is MISSING else by_value


def _by_digest(columns: Columns, column: Any, constant: Constant) -> Condition:
    if constant.scalar is MISSING:
        if columns is calls.c:
            return sa.and_(has_digest(column, constant.digest), is_derived())
        return has_digest(column, constant.digest)
    # A scalar meets other scalars by value; by digest only what nobody can compare with it.
    found = sa.and_(has_digest(column, constant.digest), is_untyped(columns))
    return sa.and_(found, is_derived()) if columns is calls.c else found


def _argument(value: Any, pattern: Digest | None) -> Any:
    return lambda columns: exactly(
        sa.true() if pattern is None else _matching(columns, value, pattern)
    )


def _matching(columns: Columns, value: Any, pattern: Digest) -> Condition:
    """Return where an argument's digest begins with ``pattern``, which is that of ``value``.

    Digests are indexed where there is no number and no text: an index of all would take a tenth of
    the whole. A scalar that is given is searched by value; for a digest, all of that name that
    have a number or a text are looked at.
    """
    found = has_digest(columns.value, pattern)
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
    return sa.or_(*(sa.and_(found, place) for place in places))


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
        codes = template.code if isinstance(template.code, tuple) else (template.code,)
        column = functions.c.code
        yield sa.or_(*(sa.and_(column >= each, column < after(each)) for each in codes))


def _unsearched(column: Any, lead: Place | None) -> Any:
    """Return a column; where something else leads, such that no search begins with it."""
    return column if lead is None else column + sa.literal_column("0")


def _is_unknown(columns: Columns) -> list[Condition]:
    # Literals: they have to be read as the condition of an index.
    is_other = columns.kind == sa.literal_column(str(OTHER))
    return [columns.num.is_(None), columns.text.is_(None), is_other]


def _negated(part: Bounds) -> Bounds:
    if part.exact:
        return exactly(sa.not_(part.may))
    return Bounds(sa.not_(part.may), sa.not_(part.must))


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
    """Return the field of a condition that asks for a value that is there."""
    field = _field(expression)
    if field is None:
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
