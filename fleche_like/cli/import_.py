"""``import``: the calls of an archive, or of the folder of another package's cache."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any, Final

from fleche_like.cache import Cache
from fleche_like.cli.caches import open_or_make
from fleche_like.cli.done import add_run_options, print_done
from fleche_like.cli.exits import Exit
from fleche_like.errors import ConfigError, QueryError
from fleche_like.maintenance import import_, import_diskcache, import_fleche, import_joblib
from fleche_like.memo import Memoized

EXAMPLES: Final = (
    "fleche-like --cache restored import calls.fla",
    "fleche-like --cache results import calls.fla --overwrite --dry-run --json",
)

FOREIGN: Final[dict[str, Any]] = {
    "joblib": import_joblib,
    "diskcache": import_diskcache,
    "fleche": import_fleche,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("source", metavar="FILE", help="an archive; with --from, a folder")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace calls that have another result here"
    )
    parser.add_argument(
        "--trust-unsigned",
        action="store_true",
        help="let a cache with keys take, and sign, an archive that none of them signed",
    )
    parser.add_argument("--from", dest="origin", choices=FOREIGN, help="whose cache the folder is")
    parser.add_argument(
        "--function",
        action="append",
        default=[],
        metavar="MODULE:NAME",
        help="a memoized function whose calls are wanted of another package",
    )
    parser.add_argument(
        "--trust",
        choices=["full"],
        help="read the pickles of another package, which runs any code that somebody put there",
    )
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Import; an interruption loses nothing, and the next run goes on there."""
    _check(args)
    with open_or_make(args.cache, dry_run=args.dry_run) as cache:
        done = _imported(cache, args) if args.origin is None else _adopted(cache, args)
    print_done(done, args)
    return Exit.OK


def _check(args: argparse.Namespace) -> None:
    if args.origin is None and (args.function or args.trust):
        raise QueryError("--function and --trust go with --from")
    if args.origin is not None and not args.function:
        raise QueryError("--from goes with --function MODULE:NAME")
    if args.origin is not None and (args.overwrite or args.trust_unsigned):
        raise QueryError("--overwrite and --trust-unsigned are for archives")


def _imported(cache: Cache, args: argparse.Namespace) -> Any:
    return import_(
        cache,
        args.source,
        overwrite=args.overwrite,
        trust_unsigned=args.trust_unsigned,
        dry_run=args.dry_run,
        show_progress=not args.json,
    )


def _adopted(cache: Cache, args: argparse.Namespace) -> Any:
    bring = FOREIGN[args.origin]
    return bring(
        cache,
        args.source,
        [_function(text) for text in args.function],
        trust=args.trust,
        dry_run=args.dry_run,
        show_progress=not args.json,
    )


def _function(text: str) -> Memoized[..., Any]:
    module, _, name = text.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ConfigError(f"--function {text}: {problem}", source="--function") from problem
    if not isinstance(found, Memoized):
        raise ConfigError(f"--function {text} is no memoized function", source="--function")
    return found
