"""``show``: one call or value, by its full or short digest."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Final

from fleche_like.cache import Cache
from fleche_like.calls import RESULT, DigestedCall, flatten
from fleche_like.cli.caches import open_existing
from fleche_like.cli.calls import CALLS_HEAD, call_as_json, calls_rows, when_text
from fleche_like.cli.digests import Found, resolve
from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.cli.tables import print_pairs, print_table
from fleche_like.errors import FlecheError, KeyNotFound
from fleche_like.hashing import Digest
from fleche_like.query import preview, printable
from fleche_like.storage import StoredPart

EXAMPLES: Final = (
    "fleche-like --cache results show 3f9a12",
    "fleche-like --cache results show 3f9a12 --no-values",
    "fleche-like --cache results show 3f9a12 --json",
)
MAKERS_SHOWN: Final = 5
PREVIEW_WIDTH: Final = 300


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "key", metavar="KEY", help="digest of a call or value, 4 characters or more"
    )
    parser.add_argument(
        "--no-values",
        action="store_true",
        help="load (unpickle) nothing: what is no scalar is shown as its digest",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Print what was found under the key."""
    with open_existing(args.cache) as cache:
        found = resolve(cache, args.key)
        show = _show_call if found.kind == "call" else _show_value
        show(cache, found, args)
    return Exit.OK


# --- calls ---


def _show_call(cache: Cache, found: Found, args: argparse.Namespace) -> None:
    call = cache.load(found.digest).digested
    peek = _peek_at(cache, args)
    parts = {} if call.code is None else dict(cache.manifest(call.code))
    if args.json:
        shown = {"kind": "call"} | call_as_json(call) | {"code_parts": _plain(parts)}
        print_json(shown | {"previews": dict(_previews(call, peek))})
        return
    print_pairs([*_head(call), *_lines(call, peek)])
    _print_section("metadata", {name: _leaf(leaf) for name, leaf in flatten(call.metadata).items()})
    _print_section("code", _plain(parts))


def _head(call: DigestedCall) -> Iterator[tuple[str, str]]:
    yield "call", str(call.key)
    yield "function", printable(call.name)
    if call.module is not None:
        yield "module", printable(call.module)
    if call.version is not None:
        yield "version", preview(call.version)
    if call.code is not None:
        yield "code", str(call.code)


def _lines(call: DigestedCall, peek: Callable[[Digest], str]) -> Iterator[tuple[str, str]]:
    if call.arguments:
        yield "arguments", ""
    for name, key in call.arguments.items():
        yield f"  {printable(name)}", _described(call, name, key, peek)
    yield "result", _described(call, RESULT, call.result, peek)


def _described(
    call: DigestedCall, name: str, key: Digest | None, peek: Callable[[Digest], str]
) -> str:
    if key is None:
        return "(none)"
    if name in call.scalars:
        return preview(call.scalars[name], PREVIEW_WIDTH)
    return f"{key}  {peek(key)}".rstrip()


def _previews(call: DigestedCall, peek: Callable[[Digest], str]) -> Iterator[tuple[str, str]]:
    keys = call.arguments if call.result is None else call.arguments | {RESULT: call.result}
    for name, key in keys.items():
        if name not in call.scalars and (text := peek(key)):
            yield "result" if name == RESULT else f"arg.{name}", text


def _peek_at(cache: Cache, args: argparse.Namespace) -> Callable[[Digest], str]:
    """Return what previews a stored value, and never fails."""

    def peek(key: Digest) -> str:
        if args.no_values:
            return ""
        try:
            return preview(cache.load_value(key), PREVIEW_WIDTH)
        except KeyNotFound:
            return "(not stored)"
        except FlecheError as error:
            return printable(f"(cannot be loaded: {error})")

    return peek


def _leaf(leaf: Any) -> str:
    return when_text(leaf) or preview(leaf, PREVIEW_WIDTH)


def _plain(parts: dict[str, str]) -> dict[str, str]:
    return {printable(name): str(key) for name, key in parts.items()}


def _print_section(title: str, lines: dict[str, str]) -> None:
    if lines:
        print(title)
        print_pairs([(f"  {printable(name)}", text) for name, text in lines.items()])


# --- values ---


def _show_value(cache: Cache, found: Found, args: argparse.Namespace) -> None:
    text = _peek_at(cache, args)(found.digest)
    makers = cache.query(result=found.digest).latest(MAKERS_SHOWN + 1).all()
    if args.json:
        shown = {"kind": "value", "digest": str(found.digest), "preview": text or None}
        parts = {"parts": [_part(part) for part in cache.parts(found.digest)]}
        print_json(shown | parts | {"made_by": [str(call.key) for call in makers[:MAKERS_SHOWN]]})
        return
    print_pairs([("value", str(found.digest)), ("is", text or "(not loaded)")])
    _print_parts(cache.parts(found.digest))
    if makers:
        print(
            "made by" if len(makers) <= MAKERS_SHOWN else f"made by {MAKERS_SHOWN} calls and more"
        )
        print_table(CALLS_HEAD, list(calls_rows(makers[:MAKERS_SHOWN], cache)))


def _print_parts(parts: list[StoredPart]) -> None:
    if parts:
        print("stored in parts")
        rows = [(part.digest, str(part.level), str(part.size_bytes or "gone")) for part in parts]
        print_table(("part", "level", "bytes"), rows)


def _part(part: StoredPart) -> dict[str, Any]:
    return asdict(part) | {"digest": str(part.digest)}
