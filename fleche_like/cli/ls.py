"""``ls``: calls, the newest first."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from fleche_like.calls import meta
from fleche_like.cli.caches import open_existing
from fleche_like.cli.calls import CALLS_HEAD, STARTED, call_as_json, calls_rows
from fleche_like.cli.exits import Exit
from fleche_like.cli.options import add_limit, limited, note_rest
from fleche_like.cli.output import print_json_list
from fleche_like.cli.tables import print_table
from fleche_like.query import Query

EXAMPLES: Final = (
    "fleche-like ls",
    "fleche-like --cache results ls --name simulate --limit 3",
    "fleche-like --cache results ls --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--name", help="qualified name of a function, such as Model.fit")
    add_limit(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON list of calls")


def run(args: argparse.Namespace) -> int:
    """Print the calls; finding none is an error only if a name was given."""
    with open_existing(args.cache) as cache:
        query = cache.query(name=args.name).order_by(meta(STARTED).desc())
        if args.json:
            count = print_json_list(call_as_json(call.digested) for call in limited(query, args))
        else:
            count = _print_calls(query, args)
    if count or args.name is None:
        return Exit.OK
    print(f"no calls of {args.name!r}", file=sys.stderr)
    return Exit.NOTHING


def _print_calls(query: Query, args: argparse.Namespace) -> int:
    calls = limited(query, args, table=True).all()
    if calls:
        print_table(CALLS_HEAD, list(calls_rows(calls, query.source)))
    note_rest(query, len(calls), args)
    return len(calls)
