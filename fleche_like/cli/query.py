"""``query``: calls by arguments, results and metadata."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from fleche_like.cli.caches import open_existing
from fleche_like.cli.calls import call_as_json, rows_as_cells
from fleche_like.cli.exits import Exit
from fleche_like.cli.options import add_limit, limited, note_rest
from fleche_like.cli.output import print_csv, print_json_list
from fleche_like.cli.selecting import add_conditions, narrowed, parsed
from fleche_like.cli.tables import print_table
from fleche_like.query import Query

EXAMPLES: Final = (
    "fleche-like --cache results query simulate",
    "fleche-like --cache results query simulate --arg alpha=0.1 --json",
    "fleche-like --cache results query simulate --where 'alpha > 0.1 and steps in [100, 200]'",
    "fleche-like --cache results query --where 'result >= 0.9' --order -result --limit 5",
    "fleche-like --cache results query simulate --where 'meta.runtime.walltime < 60' --csv",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("name", nargs="?", help="qualified name of a function; any if left out")
    add_conditions(parser)
    parser.add_argument(
        "--order",
        action="append",
        default=[],
        metavar="FIELD",
        help="alpha, -alpha (descending), result, meta.runtime.walltime; the first counts most",
    )
    add_limit(parser)
    parser.add_argument("--metadata", action="store_true", help="show metadata in tables and CSV")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print a JSON list of calls")
    shape.add_argument("--csv", action="store_true", help="print CSV")


def run(args: argparse.Namespace) -> int:
    """Print what matches; finding nothing is an exit code, and in JSON an empty list."""
    conditions, arguments = parsed(args)
    with open_existing(args.cache) as cache:
        query = narrowed(cache.query(name=args.name), conditions, arguments)
        count = _print(query.order_by(*args.order), args)
    if count:
        return Exit.OK
    print("no call matches", file=sys.stderr)
    return Exit.NOTHING


def _print(query: Query, args: argparse.Namespace) -> int:
    if args.json:
        return print_json_list(call_as_json(call.digested) for call in limited(query, args))
    rows = limited(query, args, table=not args.csv).table(
        metadata=args.metadata, library=None, short=not args.csv
    )
    if args.csv:
        print_csv(rows)
    elif rows:
        print_table(*rows_as_cells(rows))
        note_rest(query, len(rows), args)
    return len(rows)
