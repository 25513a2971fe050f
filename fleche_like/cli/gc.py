"""``gc``: remove what nothing uses."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Final

from fleche_like.cli.caches import open_existing, open_to_change
from fleche_like.cli.exits import Exit
from fleche_like.cli.options import age
from fleche_like.cli.output import print_json
from fleche_like.cli.stats import bytes_text
from fleche_like.cli.tables import print_pairs
from fleche_like.maintenance import Collected, gc

EXAMPLES: Final = (
    "fleche-like --cache results gc --dry-run",
    "fleche-like --cache results gc --grace 2h --quarantine 30d",
    "fleche-like --cache results gc --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--grace",
        type=age,
        default="1d",
        metavar="AGE",
        help="what was written within this time stays: 15m, 2h, 1d (default: 1d)",
    )
    parser.add_argument(
        "--quarantine",
        type=age,
        metavar="AGE",
        help="also remove what was put into quarantine longer ago than this",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Collect; an interruption loses nothing, and the next run finds the rest."""
    with (open_existing if args.dry_run else open_to_change)(args.cache) as cache:
        found = gc(
            cache,
            grace=args.grace,
            quarantine=args.quarantine,
            dry_run=args.dry_run,
            show_progress=not args.json,
        )
    if args.json:
        print_json(dataclasses.asdict(found) | {"dry_run": args.dry_run})
    else:
        _print(found, dry_run=args.dry_run)
    return Exit.DAMAGED if found.unreadable else Exit.OK


def _print(found: Collected, *, dry_run: bool) -> None:
    removed = "would be removed" if dry_run else "removed"
    pairs = [
        ("calls", f"{found.calls:,} looked at"),
        ("values", f"{found.values:,} {removed} ({bytes_text(found.size_bytes)})"),
        ("young", f"{found.young:,} unused values stay"),
    ]
    others = {
        "records": found.records,
        "temporary files": found.temporary,
        "stages": found.stages,
        "quarantine": found.quarantined,
    }
    print_pairs([*pairs, *((name, f"{n:,} {removed}") for name, n in others.items() if n)])
    if found.adoptable:
        print(f"{found.adoptable:,} records have no rows: run reindex", file=sys.stderr)
    if found.unreadable:
        print(
            f"{found.unreadable:,} calls have no sound record, so that no value was removed: run"
            " verify",
            file=sys.stderr,
        )
