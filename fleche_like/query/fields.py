"""Names of fields, as people write them, turned into fields, orderings and functions of a call."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from fleche_like.calls import Field, LazyCall, Operand, Ordering, arg, meta, result
from fleche_like.errors import QueryError
from fleche_like.hashing import Digest
from fleche_like.query.columns import argument_column
from fleche_like.support.sentinel import MISSING

Key: TypeAlias = str | Field | Callable[[LazyCall], Any]

_STEP: Final = r"""\[(?:\d+|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]"""
_PATH: Final = re.compile(rf"(.+?)((?:{_STEP})+)", re.DOTALL)
_STEPS: Final = re.compile(_STEP, re.DOTALL)


def field_named(name: str) -> Field:
    """Return the field that a table's column of that name shows.

    Raises:
        QueryError: parts of results are not written with a dot.

    >>> field_named("alpha"), field_named("meta.runtime.walltime"), field_named("arg.result")
    (arg('alpha'), meta('runtime.walltime'), arg('result'))
    >>> field_named("result['score']"), field_named("cfg['layers'][0]")
    (result()['score'], arg('cfg')['layers'][0])
    """
    if name.startswith("meta."):
        return meta(name.removeprefix("meta."))
    if name.startswith("result."):
        part = name.removeprefix("result.")
        raise QueryError(f"no field {name!r}: a part of results is result()[{part!r}]")
    split = _PATH.fullmatch(name)
    field = _whole(name if split is None else split[1])
    for step in [] if split is None else _STEPS.findall(split[2]):
        field = field[ast.literal_eval(step[1:-1])]
    return field


def _whole(name: str) -> Field:
    return result() if name == "result" else arg(name.removeprefix("arg."))


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


def columns_of(fields: str | Field | Iterable[str | Field] | None) -> dict[str, Field] | None:
    """Return fields by the names of their columns; ``None`` for whatever there is.

    Raises:
        QueryError: something is no field.
    """
    if fields is None:
        return None
    several = (fields,) if isinstance(fields, str | Field) else fields
    found = {}
    for one in several:
        if not isinstance(one, str | Field):
            raise QueryError(f"no column: {type(one).__name__}")
        field = field_named(one) if isinstance(one, str) and _names_a_part(one) else one
        named = arg(field) if isinstance(field, str) else field
        found[name_of(named)] = named
    return found


def _names_a_part(name: str) -> bool:
    return _PATH.fullmatch(name) is not None


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
