"""Options that several verbs have."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from typing import Final

from fleche_like.query import Query

TABLE_ROWS: Final = 50

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Add ``--limit``."""
    parser.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"at most N calls; 0 for all (tables: {TABLE_ROWS}, other formats: all)",
    )


def limited(query: Query, args: argparse.Namespace, *, table: bool = False) -> Query:
    """Return ``query`` with the limit that was given, or that suits what is printed."""
    limit = args.limit
    if limit is None:
        limit = TABLE_ROWS if table else 0
    return query.limit(limit or None)


def note_rest(query: Query, shown: int, args: argparse.Namespace) -> None:
    """Say on stderr that a table does not show all, if nobody asked for less."""
    if args.limit is not None or shown < TABLE_ROWS:
        return
    count = query.count()
    if count > shown:
        print(f"{shown} of {count:,} calls; --limit 0 shows all", file=sys.stderr)


def age(text: str) -> timedelta:
    """Return a time such as ``90s``, ``15m``, ``2h``, ``1d``; a number alone is seconds.

    Raises:
        argparse.ArgumentTypeError: it is none.

    >>> age("36h"), age("0")
    (datetime.timedelta(days=1, seconds=43200), datetime.timedelta(0))
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        return timedelta(**{_UNITS[unit]: float(number)})
    except (ValueError, OverflowError):
        message = f"a time is wanted, such as 15m, 2h or 1d, not {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a number is wanted, 0 or more, not {text!r}")
    return int(text)
