"""Arguments, dispatch, and errors as exit codes."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

from fleche_like.cli.exits import HELP, Exit
from fleche_like.cli.verbs import VERBS
from fleche_like.errors import (
    AmbiguousDigestError,
    FlecheError,
    InvalidDigest,
    KeyNotFound,
    NoCallMatches,
    QueryError,
)

PROGRAM = "fleche-like"
# Their values may begin with a dash, which argparse would take for an option.
TEXT_OPTIONS = ("--order", "--where")

CODES: Sequence[tuple[type[BaseException], Exit]] = (
    (NoCallMatches, Exit.NOTHING),
    (QueryError, Exit.USAGE),
    (InvalidDigest, Exit.USAGE),
    (KeyNotFound, Exit.NOTHING),
    (AmbiguousDigestError, Exit.NOTHING),
    (FlecheError, Exit.UNUSABLE),
    (OSError, Exit.UNUSABLE),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; those of the process if left out.

    Returns:
        The exit code, one of :class:`~fleche_like.cli.exits.Exit`. Nothing is raised, except
        SystemExit by ``--help`` and for wrong usage, as argparse does it.
    """
    _tolerate_any_text()
    args = _parse(sys.argv[1:] if argv is None else argv)
    try:
        code = VERBS[args.verb].load().run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as in `fleche-like ls | head`.
        _close_stdout()
        return Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - scripts get a code that says so, people the traceback
        return _failed(error)
    return code


def _failed(error: Exception) -> Exit:
    for kind, code in CODES:
        if isinstance(error, kind):
            print(f"{PROGRAM}: {_message(error)}", file=sys.stderr)
            return code
    traceback.print_exception(error)
    return Exit.FAILED


def _message(error: Exception) -> str:
    from fleche_like.query import printable

    text = str(error) or type(error).__name__
    return "\n".join(map(printable, text.splitlines()))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    general = _parser()
    if not argv:
        general.print_help(sys.stderr)
        raise SystemExit(Exit.USAGE)
    first = general.parse_args(argv)
    verb = VERBS[first.verb].load()
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {first.verb}",
        description=VERBS[first.verb].summary,
        epilog="examples:\n" + "\n".join(f"  {line}" for line in verb.EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_cache(parser)
    verb.configure(parser)
    return parser.parse_args(_joined(first.rest), argparse.Namespace(**vars(first)))


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {name:<9}{verb.summary}" for name, verb in VERBS.items()]
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [-h] [--version] [--cache PATH_OR_URL] VERB ...",
        description="Look into a cache of function calls.\n\nverbs:\n" + "\n".join(lines),
        epilog=f"{PROGRAM} VERB --help tells more, with examples.\n{HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    _add_cache(parser, default=None)
    parser.add_argument("verb", metavar="VERB", choices=VERBS, help=argparse.SUPPRESS)
    rest = parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # or Python 3.11 names it beside a VERB that is missing
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(PROGRAM, version(PROGRAM))
        except PackageNotFoundError:
            print(PROGRAM, "(not installed)")
        parser.exit()


def _add_cache(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    parser.add_argument(
        "--cache",
        metavar="PATH_OR_URL",
        default=default,
        help="folder or database URL of the cache, or @NAME for one of fleche-like.toml; "
        "the default one if left out",
    )


def _joined(words: Sequence[str]) -> list[str]:
    """Return ``words`` with ``--order -alpha`` written as ``--order=-alpha``."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in TEXT_OPTIONS and word.startswith("-") and word[:2] != "--":
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _tolerate_any_text() -> None:
    """Let text that the terminal cannot show come out escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _close_stdout() -> None:
    # What is still buffered would fail again when Python ends, and complain.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
