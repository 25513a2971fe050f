"""``rekey``: calls go on to be hits after a harmless change of their function."""

from __future__ import annotations

import argparse
from typing import Final

from fleche_like.cli.caches import open_existing, open_to_change
from fleche_like.cli.conditions import parse_argument
from fleche_like.cli.done import add_run_options, print_done
from fleche_like.cli.exits import Exit
from fleche_like.errors import QueryError
from fleche_like.maintenance import (
    AcceptCode,
    AddArgument,
    Change,
    Rename,
    rekey,
    undo_rekey,
)

EXAMPLES: Final = (
    "fleche-like --cache results rekey --name simulate --to simulate_flow",
    "fleche-like --cache results rekey --module lab --to-module laboratory --dry-run",
    "fleche-like --cache results rekey --name simulate --add solver=lu --before steps --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--name", help="qualified name that the function is stored under")
    parser.add_argument("--to", metavar="NAME", help="the name that it has now")
    parser.add_argument("--module", help="module that it is stored under")
    parser.add_argument("--to-module", metavar="MODULE", help="the module that it is in now")
    parser.add_argument(
        "--add", metavar="NAME=VALUE", help="it has one more argument, with this default"
    )
    parser.add_argument("--before", metavar="NAME", help="the argument that stands behind that")
    parser.add_argument("--code", metavar="DIGEST", help="code digest that calls are stored under")
    parser.add_argument("--accept", metavar="DIGEST", help="the one that the function has now")
    parser.add_argument("--undo", metavar="JOURNAL", help="take a change back")
    parser.add_argument(
        "--journal", metavar="FILE", help="where to note what is changed; in the cache's folder"
    )
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Change keys, or take that back; an interruption loses nothing."""
    change = _change(args)
    shown = not args.json
    opened = open_existing(args.cache) if args.dry_run else open_to_change(args.cache)
    with opened as cache:
        if change is None:
            done = undo_rekey(cache, args.undo, dry_run=args.dry_run, show_progress=shown)
        else:
            done = rekey(
                cache, change, journal=args.journal, dry_run=args.dry_run, show_progress=shown
            )
    print_done(done, args)
    return Exit.OK


def _change(args: argparse.Namespace) -> Change | None:
    """Return the one change that was asked for, ``None`` for undoing one.

    Raises:
        QueryError: none was, or several.
    """
    renames = args.to is not None or args.to_module is not None
    wanted = [renames, args.add is not None, args.accept is not None, args.undo is not None]
    if sum(wanted) != 1:
        raise QueryError("say one thing: --to or --to-module, --add, --accept, or --undo")
    if renames:
        return Rename(args.name, args.to, args.module, args.to_module)
    if args.add is not None:
        return _addition(args)
    if args.accept is None:
        return None
    if args.code is None:
        raise QueryError("--accept goes with --code, the digest that calls are stored under")
    return AcceptCode(args.code, args.accept, args.name)


def _addition(args: argparse.Namespace) -> Change:
    if args.name is None:
        raise QueryError("--add goes with --name, the function that has one more argument")
    argument, value = parse_argument(args.add)
    return AddArgument(args.name, argument, value, args.module, args.before)
