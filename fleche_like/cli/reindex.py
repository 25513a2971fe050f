"""``reindex``: rebuild the index from the records of calls."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Final

from fleche_like.cli.caches import existing_index
from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.maintenance import reindex

EXAMPLES: Final = (
    "fleche-like --cache results reindex",
    "fleche-like --cache results reindex --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Rebuild; an interruption loses nothing, and the next run goes on there."""
    found = reindex(existing_index(args.cache), show_progress=not args.json)
    if args.json:
        print_json(dataclasses.asdict(found))
    else:
        print(
            f"{found.derived} calls indexed again, {found.adopted} records found that were not"
            f" indexed, {found.lost} calls without a sound record removed"
        )
    return Exit.OK
