"""``transfer``: calls with their values, from one cache to another."""

from __future__ import annotations

import argparse
from typing import Final

from fleche_like.cli.caches import open_existing, open_or_make, open_to_change
from fleche_like.cli.done import add_run_options, print_done
from fleche_like.cli.exits import Exit
from fleche_like.cli.selecting import add_conditions, narrowed, parsed
from fleche_like.maintenance import transfer

EXAMPLES: Final = (
    "fleche-like --cache results transfer backup",
    "fleche-like --cache results transfer shared simulate --where 'alpha > 0.5' --pop",
    "fleche-like --cache results transfer backup --dry-run --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("target", metavar="TARGET", help="folder or URL of the other cache")
    parser.add_argument("name", nargs="?", help="qualified name of a function; any if left out")
    add_conditions(parser)
    parser.add_argument(
        "--pop", action="store_true", help="evict each call here once it is stored there"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace calls that have another result there"
    )
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Transfer; an interruption loses nothing, and the next run goes on there."""
    conditions, arguments = parsed(args)
    changes = args.pop and not args.dry_run
    source = open_to_change(args.cache) if changes else open_existing(args.cache)
    with source, open_or_make(args.target, dry_run=args.dry_run) as target:
        done = transfer(
            source,
            target,
            narrowed(source.query(name=args.name), conditions, arguments),
            pop=args.pop,
            overwrite=args.overwrite,
            dry_run=args.dry_run,
            show_progress=not args.json,
        )
    print_done(done, args)
    return Exit.OK
