"""What a verb did, in figures."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fleche_like.cli.output import print_json
from fleche_like.cli.tables import print_pairs
from fleche_like.query import printable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--dry-run`` and ``--json``."""
    parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def print_done(done: DataclassInstance, args: argparse.Namespace) -> None:
    """Print the fields of what was done: a number in each, or others by name."""
    told = dataclasses.asdict(done)
    if args.json:
        print_json({**told, "dry_run": args.dry_run})
        return
    if args.dry_run:
        print("nothing was changed; this is what would have been done")
    print_pairs([*_lines(told)])


def _lines(told: Mapping[str, Any], indent: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in told.items():
        label = f"{indent}{printable(name.replace('_', ' '))}"
        if isinstance(value, Mapping):
            lines += [(label, ""), *_lines(value, f"{indent}  ")] if value else []
        elif value is not None:
            lines.append((label, f"{value:,}" if isinstance(value, int) else printable(str(value))))
    return lines
