"""The rows of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from fleche_like.calls import RESULT, DigestedCall, Part, all_parts, flatten
from fleche_like.database import Row
from fleche_like.index.spelling import Name
from fleche_like.index.typed import ABSENT, KNOWN, UNTYPED, Typed, typed
from fleche_like.support.sentinel import MISSING

ResultRow: TypeAlias = tuple[bytes | None, int, float | None, str | None]
NameId: TypeAlias = Callable[[Name], int]
"""Gives the id of a name."""

CALL_COLUMNS = ("key", "function", "result", "kind", "num", "text")
ARGUMENT_COLUMNS = ("call", "name", "value", "kind", "num", "text")
METADATA_COLUMNS = ("call", "name", "kind", "num", "text")

_NO_RESULT: ResultRow = (None, ABSENT, None, None)


def result_row(call: DigestedCall) -> ResultRow:
    """Return ``result``, ``kind``, ``num`` and ``text`` of a row in ``calls``."""
    if call.result is None:
        return _NO_RESULT
    comparable = call.comparable
    scalar = typed(comparable[RESULT]) if RESULT in comparable else _without_scalar(RESULT, call)
    return bytes.fromhex(call.result), *scalar


def late(row: ResultRow) -> ResultRow:
    """Return the row of a call that is late: see :mod:`fleche_like.index.late`."""
    result, kind, num, text = row
    return result, -1 - kind, num, text


def argument_rows(call: DigestedCall, number: int, name_id: NameId) -> Iterator[Row]:
    """Yield the rows of ``arguments``."""
    comparable = call.comparable
    for name, sealed in call.arguments.items():
        scalar = typed(comparable[name]) if name in comparable else _without_scalar(name, call)
        yield (number, name_id(name), bytes.fromhex(sealed), *scalar)
    if call.parts:
        yield from _part_rows(call, number, name_id)


def _part_rows(call: DigestedCall, number: int, name_id: NameId) -> Iterator[Row]:
    for name, parts in call.parts.items():
        for path, part in all_parts(parts):
            sealed = b"" if part.digest is None else bytes.fromhex(part.digest)
            yield (number, name_id((name, path)), sealed, *_typed_part(part))


def _typed_part(part: Part) -> Typed:
    if part.known:
        return KNOWN if part.scalar is MISSING else typed(part.scalar)
    return UNTYPED


def _without_scalar(name: str, call: DigestedCall) -> Typed:
    parts = call.parts.get(name)
    return UNTYPED if parts is None or parts.sketch is MISSING else KNOWN


def metadata_rows(call: DigestedCall, number: int, name_id: NameId) -> Iterator[Row]:
    """Yield the rows of ``metadata``."""
    if call.metadata:
        for name, leaf in flatten(call.metadata).items():
            yield (number, name_id(name), *typed(leaf))
