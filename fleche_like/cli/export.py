"""``export``: calls with their values, as one file."""

from __future__ import annotations

import argparse
from typing import Final

from fleche_like.cli.caches import open_existing
from fleche_like.cli.done import add_run_options, print_done
from fleche_like.cli.exits import Exit
from fleche_like.cli.selecting import add_conditions, narrowed, parsed
from fleche_like.maintenance import export

EXAMPLES: Final = (
    "fleche-like --cache results export calls.fla",
    "fleche-like --cache results export best.fla simulate --where 'result > 1' --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="what to write; replaced if it is there")
    parser.add_argument("name", nargs="?", help="qualified name of a function; any if left out")
    add_conditions(parser)
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Export; the file is there when it is whole."""
    conditions, arguments = parsed(args)
    with open_existing(args.cache) as cache:
        query = narrowed(cache.query(name=args.name), conditions, arguments)
        shown = not args.json
        done = export(cache, args.file, query, dry_run=args.dry_run, show_progress=shown)
    print_done(done, args)
    return Exit.OK
