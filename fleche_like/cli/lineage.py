"""``lineage``: what a call or value came from, and what became of it."""

from __future__ import annotations

import argparse
from typing import Final

from fleche_like.cli.caches import open_existing
from fleche_like.cli.digests import resolve
from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.cli.tables import available_width
from fleche_like.query import Lineage, lineage_as_json

EXAMPLES: Final = (
    "fleche-like --cache results lineage 3f9a12",
    "fleche-like --cache results lineage 3f9a12 --up --depth 2",
    "fleche-like --cache results lineage 3f9a12 --format mermaid",
    "fleche-like --cache results lineage 3f9a12 --format graphviz",
)
FORMATS: Final = ("tree", "mermaid", "graphviz")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "key", metavar="KEY", help="digest of a call or value, 4 characters or more"
    )
    sides = parser.add_mutually_exclusive_group()
    sides.add_argument("--up", action="store_true", help="only what it came from")
    sides.add_argument("--down", action="store_true", help="only what became of it")
    parser.add_argument("--depth", type=_depth, metavar="N", help="at most N calls away")
    parser.add_argument("--scalars", action="store_true", help="let scalars tie calls as well")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--format", choices=FORMATS, default="tree", help="a tree, or a graph for another program"
    )
    shape.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the lineage; one without any tie is no error."""
    with open_existing(args.cache) as cache:
        found = resolve(cache, args.key)
        lineage = cache.lineage(
            found.digest, up=not args.down, down=not args.up, depth=args.depth, scalars=args.scalars
        )
    if args.json:
        print_json(lineage_as_json(lineage))
    else:
        print(_text(lineage, args.format))
    return Exit.OK


def _text(lineage: Lineage, shape: str) -> str:
    if shape == "mermaid":
        return lineage.to_mermaid()
    if shape == "graphviz":
        return lineage.to_graphviz()
    width = available_width()
    return "\n".join(lineage.lines() if width is None else lineage.lines(width))


def _depth(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number is wanted, 1 or more, not {text!r}")
    return int(text)
