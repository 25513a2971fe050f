"""``db``: the schema of a cache's index."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from fleche_like import index
from fleche_like.cli.caches import existing_index
from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.cli.tables import print_table
from fleche_like.database import Database
from fleche_like.query import printable
from fleche_like.support.redact import redact

EXAMPLES: Final = (
    "fleche-like --cache results db current",
    "fleche-like db history",
    "fleche-like --cache results db upgrade",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    parser.add_argument(
        "action",
        choices=tuple(_ACTIONS),
        help="current: the revision that the index has; history: all revisions that there are; "
        "upgrade: bring the index to the newest, after a backup of a SQLite file",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do the action."""
    return _ACTIONS[args.action](args)


def _current(args: argparse.Namespace) -> int:
    place = existing_index(args.cache)
    found, newest = _revision(place), _newest()
    if args.json:
        print_json({"index": redact(str(place)), "revision": found, "newest": newest})
    elif found is not None:
        print(found, "(newest)" if found == newest else f"(the newest is {newest})")
    if found is None:
        print(f"no index in {printable(redact(str(place)))}", file=sys.stderr)
        return Exit.NOTHING
    return Exit.OK


def _history(args: argparse.Namespace) -> int:
    revisions = index.history()
    if args.json:
        print_json([{"revision": revision, "title": title} for revision, title in revisions])
    else:
        print_table(("revision", "title"), revisions)
    return Exit.OK


def _upgrade(args: argparse.Namespace) -> int:
    place = existing_index(args.cache)
    before = _revision(place)
    index.upgrade(place)
    after = _revision(place)
    if args.json:
        print_json({"index": redact(str(place)), "before": before, "after": after})
    elif before == after:
        print(f"{after}: nothing to do")
    else:
        print(f"upgraded from {before or 'nothing'} to {after}")
    return Exit.OK


def _revision(place: str | Path) -> str | None:
    with closing(Database(place, read_only=True)) as database:
        return index.current(database)


def _newest() -> str:
    return index.history()[-1][0]


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "current": _current,
    "history": _history,
    "upgrade": _upgrade,
}
