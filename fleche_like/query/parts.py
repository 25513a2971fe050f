"""Cells of tables that show a part of a value, or a field of another kind than a column's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleche_like.calls import RESULT, DigestedCall, Field, LazyCall, item_of, part_at
from fleche_like.errors import KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.query.batches import load_all
from fleche_like.query.source import QuerySource
from fleche_like.support.sentinel import MISSING


class Kept:
    """A loader that has some values already.

    Args:
        source: loads the others.
        values: what it has.
    """

    def __init__(self, source: QuerySource, values: Mapping[Digest, Any]) -> None:
        self._source = source
        self._values = values

    def load_value(self, digest: Digest, /) -> Any:
        """Return a value.

        Raises:
            KeyNotFound: it is not there.
        """
        if digest in self._values:
            return self._values[digest]
        found = self._source.load_values([digest])
        if digest not in found:
            raise KeyNotFound(f"no value {digest}", key=digest)
        return found[digest]


def kept_by(
    field: Field, calls: Iterable[DigestedCall], source: QuerySource, *, values: bool
) -> Kept:
    """Return a loader that has, of one batch, what must be loaded to show a field.

    Args:
        field: the field.
        calls: the calls it is shown of.
        source: loads values.
        values: whether what is no scalar is shown itself.
    """
    wanted = (_sealed(field, call) for call in calls if _is_to_load(field, call, values=values))
    return Kept(source, load_all((one for one in wanted if one is not None), source.load_values))


def cell(field: Field, call: LazyCall, *, values: bool) -> Any:
    """Return what a table shows of a field: its scalar, else its digest, or the part itself.

    Args:
        field: the field.
        call: the call, whose loader has been given what is needed.
        values: whether what is no scalar is shown itself.
    """
    operand = field.read(call)
    if operand is None:
        return MISSING
    if operand.scalar is not MISSING:
        return operand.scalar
    if values and field.kind != "meta":
        return _part(field, call)
    return operand.sealed if isinstance(operand.sealed, Digest) else operand.sealed()


def _part(field: Field, call: LazyCall) -> Any:
    value: Any = _sealed(field, call.digested)
    try:
        for item in (*field.path, None):
            value = call.loader.load_value(value) if isinstance(value, Digest) else value
            value = value if item is None else item_of(value, item)
    except KeyError:
        return MISSING
    return value


def _sealed(field: Field, call: DigestedCall) -> Digest | None:
    return call.result if field.kind == "result" else call.arguments.get(field.name)


def _is_to_load(field: Field, call: DigestedCall, *, values: bool) -> bool:
    name = RESULT if field.kind == "result" else field.name
    if field.kind == "meta" or name in call.comparable:
        return False
    if not field.path or name not in call.parts:
        return values or bool(field.path)
    part = part_at(call.parts[name], field.path)
    if part is None:
        return False
    return not part.known or (part.scalar is MISSING and (values or part.digest is None))
