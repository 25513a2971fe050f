"""Calls as JSON, and as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fleche_like.calls import RESULT, DigestedCall, LazyCall, flatten
from fleche_like.hashing import Digest
from fleche_like.query import QuerySource, preview, printable
from fleche_like.support.sentinel import MISSING

STARTED = "runtime.started"
WALLTIME = "runtime.walltime"
SHORT_LENGTH = 8
CALLS_HEAD = ("key", "function", "arguments", "result", "seconds", "started")


def call_as_json(call: DigestedCall) -> dict[str, Any]:
    """Return a call as programs read it; scalars by value, anything else by digest."""
    shown = {
        "key": str(call.key),
        "name": call.name,
        "module": call.module,
        "version": call.version,
        "code": None if call.code is None else str(call.code),
        "arguments": {name: _cell(call, name, key) for name, key in call.arguments.items()},
    }
    if call.result is not None:
        shown["result"] = _cell(call, RESULT, call.result)
    return shown | {"metadata": call.metadata}


def calls_rows(calls: Sequence[LazyCall], source: QuerySource) -> Iterator[tuple[str, ...]]:
    """Yield the cells of a table of calls, their keys shortened in one batch."""
    short = source.shrink_keys([call.key for call in calls]) if calls else ()
    for key, call in zip(short, calls, strict=True):
        leaves = flatten(call.metadata)
        yield (
            str(key),
            printable(call.name),
            arguments_text(call.digested),
            _result_text(call.digested),
            seconds_text(leaves.get(WALLTIME)),
            when_text(leaves.get(STARTED)),
        )


def arguments_text(call: DigestedCall) -> str:
    """Return arguments as Python would write them; digests are shortened."""
    cells = ((name, _cell(call, name, key)) for name, key in call.arguments.items())
    return ", ".join(f"{printable(name)}={cell_text(cell)}" for name, cell in cells)


def cell_text(cell: Any, width: int = 32) -> str:
    """Return one cell as a short line."""
    if cell is MISSING:
        return ""
    if isinstance(cell, Digest):
        return f"<{cell[:SHORT_LENGTH]}>"
    return when_text(cell) or preview(cell, width)


def seconds_text(seconds: Any) -> str:
    """Return a duration in seconds with three significant digits."""
    return f"{seconds:.3g}" if isinstance(seconds, int | float) else ""


def when_text(moment: Any) -> str:
    """Return a point in time to the second, in local time if it is known where it was."""
    if not isinstance(moment, datetime):
        return ""
    local = moment if moment.tzinfo is None else moment.astimezone()
    return local.strftime("%Y-%m-%d %H:%M:%S")


def rows_as_cells(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return heading and cells of a table of rows that each may lack some columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_row_cell(name, row) for name in names] for row in rows]
    return [printable(name) for name in names], cells


def _row_cell(name: str, row: Mapping[str, Any]) -> str:
    cell = row.get(name, MISSING)
    return str(cell) if name == "key" else cell_text(cell)


def _cell(call: DigestedCall, name: str, key: Digest) -> Any:
    return call.comparable.get(name, key)


def _result_text(call: DigestedCall) -> str:
    return "" if call.result is None else cell_text(_cell(call, RESULT, call.result))
