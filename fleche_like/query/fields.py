"""Names of fields, as people write them, turned into fields, orderings and functions of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from fleche_like.calls import Field, LazyCall, Operand, Ordering, arg, meta, result
from fleche_like.errors import QueryError
from fleche_like.hashing import Digest
from fleche_like.query.columns import argument_column
from fleche_like.support.sentinel import MISSING

Key: TypeAlias = str | Field | Callable[[LazyCall], Any]


def field_named(name: str) -> Field:
    """Return the field that a table's column of that name shows.

    >>> field_named("alpha"), field_named("meta.runtime.walltime"), field_named("arg.result")
    (arg('alpha'), meta('runtime.walltime'), arg('result'))
    """
    if name == "result":
        return result()
    if name.startswith("meta."):
        return meta(name.removeprefix("meta."))
    return arg(name.removeprefix("arg."))


def name_of(field: Field) -> str:
    """Return the name of the column that a table has for a field.

    >>> name_of(arg("result")), name_of(meta("host")), name_of(arg("cfg")["lr"])
    ('arg.result', 'meta.host', "cfg['lr']")
    """
    if field.kind == "meta":
        return f"meta.{field.name}"
    base = "result" if field.kind == "result" else argument_column(field.name)
    return base + "".join(f"[{item!r}]" for item in field.path)


def ordering_of(field: str | Field | Ordering) -> Ordering:
    """Return the ordering that ``"alpha"``, ``"-alpha"`` or a field stands for.

    Raises:
        QueryError: it stands for none.
    """
    if isinstance(field, Ordering):
        return field
    if isinstance(field, Field):
        return field.asc()
    if not isinstance(field, str):
        raise QueryError(f"nothing to order by: {type(field).__name__}")
    if field.startswith("-"):
        return field_named(field[1:]).desc()
    return field_named(field).asc()


def orderings(fields: Iterable[str | Field | Ordering]) -> tuple[Ordering, ...]:
    """Return the orderings that ``fields`` stand for, in their order."""
    return tuple(ordering_of(field) for field in fields)


def key_function(key: Key) -> Callable[[LazyCall], Any]:
    """Return what gives the thing that ``key`` names for a call.

    For a field that is its scalar, else its digest (so nothing is loaded), else ``MISSING``.

    Raises:
        QueryError: ``key`` is neither a field nor its name nor a function.
    """
    if isinstance(key, str):
        key = field_named(key)
    if isinstance(key, Field):
        field = key
        return lambda call: _thing(field.read(call))
    if not callable(key):
        raise QueryError(f"no field and no function: {type(key).__name__}")
    return key


def _thing(operand: Operand | None) -> Any:
    if operand is None:
        return MISSING
    if operand.scalar is not MISSING:
        return operand.scalar
    return operand.sealed if isinstance(operand.sealed, Digest) else operand.sealed()
