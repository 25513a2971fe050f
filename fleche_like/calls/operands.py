"""The two sides of a comparison, and what it means to compare them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from fleche_like.calls.display import shown_value
from fleche_like.calls.scalars import Scalar, instant_us, is_nan, scalar_view
from fleche_like.calls.template import as_pattern, fits
from fleche_like.errors import Indigestible
from fleche_like.hashing import Digest, value_digest
from fleche_like.support.sentinel import MISSING, Missing

Comparator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
ScalarClass: TypeAlias = Literal["none", "bool", "number", "text", "naive", "aware"]

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CLASSES: Final[dict[type, ScalarClass]] = {
    type(None): "none",
    bool: "bool",
    int: "number",
    float: "number",
    str: "text",
}


@dataclass(frozen=True, eq=False, repr=False)
class Constant:
    """What a field is compared with, sealed when the expression is written.

    Args:
        scalar: its view; ``MISSING`` if it has none.
        digest: its digest; a short one stands for every digest that begins so.
        text: how it is shown.
    """

    scalar: Scalar | Missing
    digest: Digest
    text: str

    @classmethod
    def of(cls, value: Any) -> Constant:
        """Seal a value.

        Raises:
            Indigestible: the value has no stable identity.
            InvalidDigest: a :class:`Digest` that is malformed or under 4 characters.
        """
        if isinstance(value, Digest):
            return cls(MISSING, as_pattern(value) or value, repr(value))
        return cls(scalar_view(value), value_digest(value), shown_value(value))

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Operand:
    """What a field holds in one call.

    Args:
        scalar: the value's view; ``MISSING`` if it has none.
        sealed: the value's digest, or what computes it; ``MISSING`` if the value is gone.
        composite: whether it is known to be no scalar, so that no scalar equals it.
    """

    scalar: Scalar | Missing
    sealed: Digest | Callable[[], Digest | Missing]
    composite: bool = False

    @classmethod
    def of(cls, value: Any) -> Operand:
        """Wrap a value that is at hand."""
        return cls(scalar_view(value), lambda: value_digest(value))

    def has(self, pattern: Digest) -> bool:
        """Return whether the value's digest begins with ``pattern``."""
        try:
            sealed = self.sealed if isinstance(self.sealed, Digest) else self.sealed()
        except Indigestible:
            return False
        return sealed is not MISSING and fits(pattern, sealed)


def scalar_class(value: Scalar) -> ScalarClass:
    """Return the class within which ``value`` is compared.

    >>> scalar_class(1), scalar_class(1.5), scalar_class(True)
    ('number', 'number', 'bool')
    """
    if isinstance(value, datetime):
        return "naive" if value.utcoffset() is None else "aware"
    return _CLASSES[type(value)]


def comparable_form(value: Scalar) -> Any:
    """Return what Python's own comparison orders as expressions do, within one class."""
    return instant_us(value) if isinstance(value, datetime) else value


def equals(operand: Operand, constant: Constant) -> bool:
    """Return whether ``==`` holds."""
    mine, other = operand.scalar, constant.scalar
    if operand.composite and other is not MISSING:
        return False
    if mine is MISSING or other is MISSING:
        # NaN has a digest like any value, yet as a number it equals nothing.
        return not is_nan(other) and operand.has(constant.digest)
    if scalar_class(mine) != scalar_class(other):
        return False
    return bool(comparable_form(mine) == comparable_form(other))


def compares(operand: Operand, comparator: Comparator, constant: Constant) -> bool:
    """Return whether the comparison holds for a value that is there."""
    if comparator == "==":
        return equals(operand, constant)
    if comparator == "!=":
        return not equals(operand, constant)
    mine, other = operand.scalar, constant.scalar
    if mine is MISSING or other is MISSING or mine is None:
        return False
    if scalar_class(mine) != scalar_class(other):
        return False
    return _OPERATORS[comparator](comparable_form(mine), comparable_form(other))
