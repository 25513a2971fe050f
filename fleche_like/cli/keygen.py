"""``keygen``: make the keys that sign what a cache holds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.codecs import Signer, generate_key, key_of, signer_of
from fleche_like.config.keyfiles import make_key_file, rotate_key_file

EXAMPLES: Final = (
    "fleche-like keygen",
    "fleche-like keygen team.keys",
    "fleche-like keygen --rotate team.keys --json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="the file to make, for its owner alone; the key is printed if it is left out",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--rotate",
        action="store_true",
        help="put a new key in front of those of FILE: it signs from now on, the others verify",
    )
    what.add_argument(
        "--ids", action="store_true", help="print the identifiers of the keys of FILE; make none"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Make a key, or tell which ones there are."""
    if args.file is None:
        return _print_key(args)
    if args.ids:
        signer = signer_of({"file": args.file})
        assert isinstance(signer, Signer)
        _tell(args, list(signer.ids))
        return Exit.OK
    identifier = (rotate_key_file if args.rotate else make_key_file)(args.file)
    _tell(args, [identifier])
    return Exit.OK


def _print_key(args: argparse.Namespace) -> int:
    if args.rotate or args.ids:
        print("fleche-like keygen: --rotate and --ids want a FILE", file=sys.stderr)
        return Exit.USAGE
    key = generate_key()
    if args.json:
        print_json({"id": key_of(key).id.hex(), "key": key})
    else:
        print(key)
    return Exit.OK


def _tell(args: argparse.Namespace, ids: list[str]) -> None:
    if args.json:
        print_json({"file": str(args.file), "ids": ids})
    else:
        print("\n".join(ids))
