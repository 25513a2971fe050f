"""The rows of a call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from fleche_like.calls import RESULT, DigestedCall, Scalar, flatten
from fleche_like.database import Row
from fleche_like.index.identifiers import Identifiers
from fleche_like.index.typed import ABSENT, UNTYPED, typed

ResultRow: TypeAlias = tuple[bytes | None, int, float | None, str | None]

CALL_COLUMNS = ("key", "function", "result", "kind", "num", "text")
ARGUMENT_COLUMNS = ("call", "name", "value", "kind", "num", "text")
METADATA_COLUMNS = ("call", "name", "kind", "num", "text")

_NO_RESULT: ResultRow = (None, ABSENT, None, None)


def result_row(call: DigestedCall) -> ResultRow:
    """Return ``result``, ``kind``, ``num`` and ``text`` of a row in ``calls``."""
    if call.result is None:
        return _NO_RESULT
    comparable = call.comparable
    scalar = typed(comparable[RESULT]) if RESULT in comparable else UNTYPED
    return bytes.fromhex(call.result), *scalar


def late(row: ResultRow) -> ResultRow:
    """Return the row of a call that is late: see :mod:`fleche_like.index.late`."""
    result, kind, num, text = row
    return result, -1 - kind, num, text


def argument_rows(call: DigestedCall, number: int, ids: Identifiers) -> Iterator[Row]:
    """Yield the rows of ``arguments``."""
    comparable = call.comparable
    for name, sealed in call.arguments.items():
        scalar = typed(comparable[name]) if name in comparable else UNTYPED
        yield (number, ids.name(name), bytes.fromhex(sealed), *scalar)


def metadata_rows(call: DigestedCall, number: int, ids: Identifiers) -> Iterator[Row]:
    """Yield the rows of ``metadata``."""
    leaves: dict[str, Scalar] = flatten(call.metadata) if call.metadata else {}
    for name, leaf in leaves.items():
        yield (number, ids.name(name), *typed(leaf))
