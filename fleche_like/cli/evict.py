"""``evict``: remove calls."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable
from typing import Final

from fleche_like.cache import Cache
from fleche_like.calls import LazyCall
from fleche_like.cli.caches import open_to_change
from fleche_like.cli.calls import arguments_text
from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.cli.selecting import add_conditions, narrowed, parsed
from fleche_like.cli.stats import bytes_text
from fleche_like.errors import KeyNotFound, QueryError
from fleche_like.maintenance import Evicted, evict
from fleche_like.query import Query, printable

EXAMPLES: Final = (
    "fleche-like --cache results evict 3f9a12",
    "fleche-like --cache results evict --name simulate --where 'alpha > 0.5' --dry-run",
    "fleche-like --cache results evict --name simulate --values --yes --json",
)

ASKED_FROM: Final = 10
"""So many calls are not evicted on a terminal before somebody says yes."""

SHOWN: Final = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("keys", nargs="*", metavar="KEY", help="keys of calls, full or short")
    parser.add_argument("--name", help="calls of this function, by its qualified name")
    add_conditions(parser)
    parser.add_argument("--all", action="store_true", help="every call")
    parser.add_argument(
        "--values", action="store_true", help="also remove the values that nothing else uses"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--yes", action="store_true", help="do not ask, however many they are")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Evict; nothing if one of the keys is not there, or fits several calls."""
    conditions, arguments = parsed(args)
    _check(args)
    with open_to_change(args.cache) as cache:
        query = narrowed(cache.query(name=args.name), conditions, arguments)
        chosen = _found(cache, args.keys) if args.keys else query
        count = chosen.count() if isinstance(chosen, Query) else len(chosen)
        if not count:
            print("no call matches", file=sys.stderr)
            return Exit.NOTHING
        if args.dry_run:
            _print(chosen, Evicted(count), args)
            return Exit.OK
        if not (args.yes or _agreed(count)):
            print("nothing was evicted", file=sys.stderr)
            return Exit.NOTHING
        done = evict(cache, chosen, values=args.values, show_progress=not args.json)
        _print((), done, args)
    return Exit.OK


def _check(args: argparse.Namespace) -> None:
    selected = bool(args.name or args.where or args.arg)
    if [bool(args.keys), selected, args.all].count(True) != 1:
        raise QueryError("say which calls: by KEY, or by --name, --where and --arg, or --all")


def _found(cache: Cache, keys: list[str]) -> list[LazyCall]:
    full = dict.fromkeys(map(cache.expand, keys))
    missing = next((key for key in full if not cache.contains(key)), None)
    if missing is not None:
        raise KeyNotFound(f"no call {missing}", key=missing)
    return list(map(cache.load, full))


def _agreed(count: int) -> bool:
    if count < ASKED_FROM or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"evict {count:,} calls? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _print(chosen: Iterable[LazyCall], done: Evicted, args: argparse.Namespace) -> None:
    if args.json:
        print_json(dataclasses.asdict(done) | {"dry_run": args.dry_run})
        return
    for number, call in enumerate(chosen):
        if number == SHOWN:
            print("...")
            break
        arguments = arguments_text(call.digested)
        print(f"{call.key[:12]}  {printable(call.name)}({arguments})")
    text = f"{done.calls:,} calls " + ("would be evicted" if args.dry_run else "evicted")
    if done.values is not None:
        text += f", {done.values:,} values removed ({bytes_text(done.size_bytes or 0)})"
    print(text)
