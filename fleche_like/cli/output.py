"""What programs read: JSON and CSV that say the same on every machine."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fleche_like.cli.tables import on_terminal
from fleche_like.hashing import Digest
from fleche_like.query import preview, printable

# Python writes no longer ints in decimals; 4,300 digits are the limit, some 14,000 bits.
MAX_INT_BITS = 14_000


def jsonable(value: Any) -> Any:
    """Return ``value`` as JSON can say it, and any parser can read it.

    NaN and the infinities become ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` (as in protobuf's
    JSON), datetimes ISO text, digests ``{"digest": …}``, ints of thousands of digits hex text;
    what is no JSON is shown as a short text.
    """
    match value:
        case Mapping():
            return {str(name): jsonable(item) for name, item in value.items()}
        case list() | tuple():
            return [jsonable(item) for item in value]
        case Digest():
            return {"digest": str(value)}
        case datetime():
            return value.isoformat()
    return _plain(value)


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if value.bit_length() <= MAX_INT_BITS else hex(value)
    if type(value) is float:
        return value if math.isfinite(value) else _not_finite(value)
    return preview(value)


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _encoded(value: Any) -> str:
    return json.dumps(jsonable(value), allow_nan=False)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(jsonable(value), allow_nan=False, indent=2))


def print_json_list(values: Iterable[Any]) -> int:
    """Print a JSON list, an item a line as they come, and return how many there were."""
    count = 0
    for count, value in enumerate(values, start=1):
        sys.stdout.write("[\n" if count == 1 else ",\n")
        sys.stdout.write(_encoded(value))
    sys.stdout.write("\n]\n" if count else "[]\n")
    return count


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of scalars as CSV with a heading; what a row lacks is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sys.stdout, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_cell(cell) for name, cell in row.items()} for row in rows)


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, Digest):
        return str(cell)
    shown = jsonable(cell)
    if isinstance(shown, str) and on_terminal():
        return printable(shown)
    return "None" if shown is None else shown
