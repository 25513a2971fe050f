"""Expressions: conditions on the values of calls, as ``(arg("lr") > 1e-3) & arg("tag").is_none()``.

What they mean, in Python and in SQL alike:

* Two-valued: an atom is true or false, never unknown, and ``~`` flips it. An atom on what is absent
  is false, so ``~`` of it is true.
* ``==`` holds between two numbers (``int`` or ``float``) of the same exact value, two bools, two
  texts, two datetimes, ``None`` and ``None``; between values without a view, if their digests are
  equal. Numbers, bools and texts never equal each other. ``!=`` holds where the field is there and
  ``==`` does not hold.
* ``<  <=  >  >=`` hold between two numbers, two bools, two texts (by code point) or two datetimes;
  on anything else they are false.
* NaN equals nothing, itself included, and is in no order. Datetimes compare as instants if both
  are aware, by their own clock if both are naive, and not with each other.
* Values compare through their views: ``np.float64(0.1)`` as ``0.1``.
* A field with a path, as ``arg("cfg")["optimizer"]["lr"]``, looks into dicts, lists and tuples, by
  keys of exact type, and into dataclasses and attrs classes by field. What is inside small
  containers is known (see :mod:`~fleche_like.calls.parts`); only to look into others are values
  loaded, and one that was evicted is absent then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias

from fleche_like.calls.call import RESULT
from fleche_like.calls.display import shown_value
from fleche_like.calls.lazy import LazyCall
from fleche_like.calls.metadata import escape
from fleche_like.calls.operands import Comparator, Constant, Operand, compares, equals
from fleche_like.calls.parts import MAX_KEY, Part, item_of, part_at
from fleche_like.errors import QueryError
from fleche_like.hashing import Digest, value_digest
from fleche_like.support.sentinel import MISSING, Missing

FieldKind: TypeAlias = Literal["arg", "meta", "result"]
Measure: TypeAlias = Literal["count", "min", "max", "sum", "mean", "std"]


class Expression(ABC):
    """A condition on a call; combine with ``&``, ``|`` and ``~``. Immutable."""

    __slots__ = ()

    @abstractmethod
    def matches(self, call: LazyCall) -> bool:
        """Return whether the condition holds for ``call``."""

    def __and__(self, other: Expression) -> And:
        if not isinstance(other, Expression):
            return NotImplemented
        return And((*_parts(self, And), *_parts(other, And)))

    def __or__(self, other: Expression) -> Or:
        if not isinstance(other, Expression):
            return NotImplemented
        return Or((*_parts(self, Or), *_parts(other, Or)))

    def __invert__(self) -> Expression:
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise QueryError(
            "a condition has no truth value of its own: write & | ~ instead of and, or, not, with"
            " brackets around each comparison, and (a < x) & (x < b) instead of a < x < b"
        )


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Field:
    """A value of each call: an argument, a piece of metadata, the result, or a part of one.

    Args:
        kind: ``"arg"``, ``"meta"`` or ``"result"``.
        name: the argument's name, the dotted name in metadata, or ``"return"``.
        path: keys and indices into the value; empty for metadata, whose names have it all.
    """

    kind: FieldKind
    name: str
    path: tuple[str | int, ...] = ()

    # Comparing builds expressions: without these, `in` and `for` would never end.
    __contains__: ClassVar[None] = None
    __iter__: ClassVar[None] = None
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Comparison:  # type: ignore[override]
        return Comparison(self, "==", Constant.of(other))

    def __ne__(self, other: object) -> Comparison:  # type: ignore[override]
        return Comparison(self, "!=", Constant.of(other))

    def __lt__(self, other: Any) -> Comparison:
        return Comparison(self, "<", Constant.of(other))

    def __le__(self, other: Any) -> Comparison:
        return Comparison(self, "<=", Constant.of(other))

    def __gt__(self, other: Any) -> Comparison:
        return Comparison(self, ">", Constant.of(other))

    def __ge__(self, other: Any) -> Comparison:
        return Comparison(self, ">=", Constant.of(other))

    def in_(self, values: Iterable[Any]) -> Membership:
        """Hold where the value equals one of ``values``."""
        return Membership(self, tuple(Constant.of(value) for value in values))

    def startswith(self, prefix: str) -> Prefix:
        """Hold where the value is text that begins with ``prefix``."""
        if not isinstance(prefix, str):
            raise QueryError(f"startswith takes text, not {shown_value(prefix)}")
        return Prefix(self, str.__str__(prefix))

    def is_none(self) -> Comparison:
        """Hold where the value is ``None``."""
        return Comparison(self, "==", Constant.of(None))

    def asc(self) -> Ordering:
        """Order by this field, smallest first."""
        return Ordering(self)

    def desc(self) -> Ordering:
        """Order by this field, largest first."""
        return Ordering(self, descending=True)

    def count(self) -> Aggregate:
        """Return the aggregate that counts the calls that have this."""
        return Aggregate("count", self)

    def min(self) -> Aggregate:
        """Return the aggregate for the smallest value; see :mod:`fleche_like.calls.aggregates`."""
        return Aggregate("min", self)

    def max(self) -> Aggregate:
        """Return the aggregate for the largest value."""
        return Aggregate("max", self)

    def sum(self) -> Aggregate:
        """Return the aggregate for the sum of the numbers."""
        return Aggregate("sum", self)

    def mean(self) -> Aggregate:
        """Return the aggregate for the mean of the numbers."""
        return Aggregate("mean", self)

    def std(self) -> Aggregate:
        """Return the aggregate for the standard deviation of the numbers, as of a sample."""
        return Aggregate("std", self)

    def __getitem__(self, item: str | int) -> Field:
        if type(item) not in {str, int} or (isinstance(item, int) and not 0 <= item < MAX_KEY):
            shown = shown_value(item)
            raise QueryError(f"a path is made of names and indices from 0 to 2**63, not {shown}")
        if self.kind == "meta":
            return replace(self, name=f"{self.name}.{escape(str(item))}")
        return replace(self, path=(*self.path, item))

    def __bool__(self) -> NoReturn:
        raise QueryError("a field has no truth value: compare it, as in arg('flag') == True")

    def __invert__(self) -> NoReturn:
        raise QueryError(f"a field is no condition: compare it, as in {self!r} == False")

    def __and__(self, other: object) -> NoReturn:
        raise QueryError(f"a field is no condition: compare it, as in {self!r} == True")

    __or__ = __rand__ = __ror__ = __and__

    def __repr__(self) -> str:
        name = "" if self.kind == "result" else repr(self.name)
        return f"{self.kind}({name})" + "".join(f"[{item!r}]" for item in self.path)

    def read(self, call: LazyCall) -> Operand | None:
        """Return what the field holds in ``call``; ``None`` if it is absent there."""
        if self.kind == "meta":
            return _meta(call, self.name)
        return _read(call, self.name, self.path)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Comparison(Expression):
    """A field beside a constant."""

    field: Field
    comparator: Comparator
    constant: Constant

    def matches(self, call: LazyCall) -> bool:
        operand = self.field.read(call)
        return operand is not None and compares(operand, self.comparator, self.constant)

    def __repr__(self) -> str:
        return f"({self.field!r} {self.comparator} {self.constant!r})"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Membership(Expression):
    """A field that equals one of several constants."""

    field: Field
    constants: tuple[Constant, ...]

    def matches(self, call: LazyCall) -> bool:
        operand = self.field.read(call)
        return operand is not None and any(equals(operand, one) for one in self.constants)

    def __repr__(self) -> str:
        return f"{self.field!r}.in_([{', '.join(map(repr, self.constants))}])"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Prefix(Expression):
    """A field that is text with a given beginning."""

    field: Field
    prefix: str

    def matches(self, call: LazyCall) -> bool:
        operand = self.field.read(call)
        text = None if operand is None else operand.scalar
        return isinstance(text, str) and text.startswith(self.prefix)

    def __repr__(self) -> str:
        return f"{self.field!r}.startswith({self.prefix!r})"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class And(Expression):
    """All parts hold."""

    parts: tuple[Expression, ...]

    def matches(self, call: LazyCall) -> bool:
        return all(part.matches(call) for part in self.parts)

    def __repr__(self) -> str:
        return f"({' & '.join(map(repr, self.parts))})"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Or(Expression):
    """At least one part holds."""

    parts: tuple[Expression, ...]

    def matches(self, call: LazyCall) -> bool:
        return any(part.matches(call) for part in self.parts)

    def __repr__(self) -> str:
        return f"({' | '.join(map(repr, self.parts))})"


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Not(Expression):
    """The part does not hold."""

    part: Expression

    def matches(self, call: LazyCall) -> bool:
        return not self.part.matches(call)

    def __invert__(self) -> Expression:
        return self.part

    def __repr__(self) -> str:
        return f"~{self.part!r}"


@dataclass(frozen=True, eq=False, slots=True)
class Ordering:
    """A field to order by; see :mod:`fleche_like.calls.selection` for what goes where."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Aggregate:
    """One figure of a group of calls; see :mod:`fleche_like.calls.aggregates`.

    Args:
        measure: what is made of the values.
        field: whose values; ``None`` counts calls.
    """

    measure: Measure
    field: Field | None = None

    def __repr__(self) -> str:
        return f"{self.measure}({'' if self.field is None else repr(self.field)})"


def count() -> Aggregate:
    """Return the aggregate that counts calls."""
    return Aggregate("count")


def arg(name: str) -> Field:
    """Return the field of an argument.

    >>> (arg("alpha") > 0.05) & ~arg("solver").in_(["lu", "qr"])
    ((arg('alpha') > 0.05) & ~arg('solver').in_(['lu', 'qr']))
    """
    return Field("arg", name)


def meta(name: str) -> Field:
    """Return the field of a piece of metadata by its dotted name.

    >>> meta("runtime.walltime") < 10
    (meta('runtime.walltime') < 10)
    """
    return Field("meta", name)


def result() -> Field:
    """Return the field of the result.

    >>> result()["score"] >= 0.9
    (result()['score'] >= 0.9)
    """
    return Field("result", RESULT)


def _parts(expression: Expression, kind: type[And | Or]) -> tuple[Expression, ...]:
    # Kept flat: a disjunction over thousands of values must not nest as deep.
    return expression.parts if type(expression) is kind else (expression,)


def _meta(call: LazyCall, name: str) -> Operand | None:
    leaves = call.flat_metadata
    return Operand.of(leaves[name]) if name in leaves else None


def _read(call: LazyCall, name: str, path: tuple[str | int, ...]) -> Operand | None:
    known = call.digested
    sealed = known.result if name == RESULT else known.arguments.get(name)
    if sealed is None:
        return None
    if path:
        return _read_part(call, name, sealed, path)
    return Operand(known.comparable.get(name, MISSING), sealed)


def _read_part(
    call: LazyCall, name: str, sealed: Digest, path: tuple[str | int, ...]
) -> Operand | None:
    known = call.digested
    if name in known.scalars or name in known.views:
        return None
    if name in known.parts:
        part = part_at(known.parts[name], path)
        if part is None:
            return None
        if part.known:
            return _known(part, lambda: _loaded_digest(call, sealed, path))
    value = _load_part(call, sealed, path)
    return None if value is MISSING else Operand.of(value)


def _known(part: Part, load: Callable[[], Digest | Missing]) -> Operand:
    if part.digest is not None:
        return Operand(part.scalar, part.digest, composite=part.scalar is MISSING)
    scalar = part.scalar
    if scalar is MISSING:
        return Operand(scalar, load, composite=True)
    return Operand(scalar, lambda: value_digest(scalar))


def _loaded_digest(call: LazyCall, sealed: Digest, path: tuple[str | int, ...]) -> Digest | Missing:
    value = _load_part(call, sealed, path)
    return MISSING if value is MISSING else value_digest(value)


def _load_part(call: LazyCall, sealed: Digest, path: tuple[str | int, ...]) -> Any:
    value = _load(call, sealed)
    for item in path:
        value = _load(call, item_of(value, item))
    return value


def _load(call: LazyCall, value: Any) -> Any:
    if not isinstance(value, Digest):
        return value
    try:
        return call.loader.load_value(value)
    except KeyError:
        return MISSING
