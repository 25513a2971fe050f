"""``sync``: two caches with the same calls."""

from __future__ import annotations

import argparse
from typing import Final

from fleche_like.calls import QueryCall
from fleche_like.cli.caches import open_existing, open_or_make, open_to_change
from fleche_like.cli.done import add_run_options, print_done
from fleche_like.cli.exits import Exit
from fleche_like.maintenance import sync

EXAMPLES: Final = (
    "fleche-like --cache results sync backup",
    "fleche-like --cache results sync backup simulate --dry-run --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("other", metavar="OTHER", help="folder or URL of the other cache")
    parser.add_argument("name", nargs="?", help="qualified name of a function; any if left out")
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Synchronise; where both have a call, the later result wins."""
    wanted = None if args.name is None else QueryCall(name=args.name)
    first = open_existing(args.cache) if args.dry_run else open_to_change(args.cache)
    with first, open_or_make(args.other, dry_run=args.dry_run) as second:
        done = sync(first, second, wanted, dry_run=args.dry_run, show_progress=not args.json)
    print_done(done, args)
    return Exit.OK
