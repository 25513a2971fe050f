"""``db``: the schema of a cache's index."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

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
    "fleche-like --cache results db check",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    parser.add_argument(
        "action",
        choices=tuple(_ACTIONS),
        help="current: the revision that the index has; history: all revisions that there are; "
        "upgrade: bring the index to a revision (the newest if none is named), after a backup of a "
        "SQLite file; downgrade: bring it back to one (base: no index, the records stay); check: "
        "compare its tables with what this release needs; stamp: say that it has a revision, "
        "and change nothing else",
    )
    parser.add_argument(
        "revision", nargs="?", type=_named, help="where upgrade, downgrade and stamp lead to"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do the action."""
    if args.revision is None and args.action in {"downgrade", "stamp"}:
        names = ", ".join(_known())
        print(f"fleche-like db {args.action} wants a revision: one of {names}", file=sys.stderr)
        return Exit.USAGE
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
    return _changed(args, "upgraded", lambda place: index.upgrade(place, args.revision or "head"))


def _downgrade(args: argparse.Namespace) -> int:
    return _changed(args, "downgraded", lambda place: index.downgrade(place, args.revision))


def _stamp(args: argparse.Namespace) -> int:
    return _changed(args, "stamped", lambda place: index.stamp(place, args.revision))


def _changed(args: argparse.Namespace, done: str, change: Callable[[str | Path], None]) -> int:
    place = existing_index(args.cache)
    before = _revision(place)
    with _told(quiet=args.json):
        change(place)
    after = _revision(place)
    if args.json:
        print_json({"index": redact(str(place)), "before": before, "after": after})
    elif before == after:
        print(f"{after}: nothing to do")
    else:
        print(f"{done} from {before or 'nothing'} to {after or 'nothing'}")
    return Exit.OK


def _check(args: argparse.Namespace) -> int:
    place = existing_index(args.cache)
    differences = [_described(difference) for difference in index.check(place)]
    if args.json:
        print_json({"index": redact(str(place)), "differences": differences})
    else:
        print("\n".join(map(printable, differences)) or "the tables are as this release needs them")
    return Exit.NOTHING if differences else Exit.OK


def _described(difference: Any) -> str:
    # Alembic gives a tuple, or a list of tuples about one column.
    parts = difference[0] if isinstance(difference, list) else difference
    return " ".join(str(part) for part in parts if part is not None)


@contextlib.contextmanager
def _told(*, quiet: bool) -> Iterator[None]:
    """Print what Alembic says of its progress, which can take its time."""
    logger = logging.getLogger("alembic.runtime.migration")
    handler, level = logging.StreamHandler(sys.stderr), logger.level
    if not quiet:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _named(revision: str) -> str:
    if revision not in _known():
        raise argparse.ArgumentTypeError(f"{revision!r} is none of {', '.join(_known())}")
    return revision


def _known() -> list[str]:
    return ["base", *(revision for revision, _ in index.history()), "head"]


def _revision(place: str | Path) -> str | None:
    with closing(Database(place, read_only=True)) as database:
        return index.current(database)


def _newest() -> str:
    return index.history()[-1][0]


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "current": _current,
    "history": _history,
    "upgrade": _upgrade,
    "downgrade": _downgrade,
    "check": _check,
    "stamp": _stamp,
}
