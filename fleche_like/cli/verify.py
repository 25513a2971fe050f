"""``verify``: check what is stored, and mend it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from typing import Final

from fleche_like.cache import Cache
from fleche_like.cli.caches import open_existing, open_to_change
from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.cli.tables import print_pairs, print_table
from fleche_like.config import open_cache
from fleche_like.maintenance import Verified, verify
from fleche_like.maintenance.repair import QUARANTINE, Repair
from fleche_like.query import printable

EXAMPLES: Final = (
    "fleche-like --cache results verify",
    "fleche-like --cache results verify --json",
    "fleche-like --cache results verify --repair quarantine --resume",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--repair",
        metavar="FROM",
        help="a cache with sound copies, by its folder or URL; what it lacks is put aside, and"
        f" all that is damaged with {QUARANTINE!r}",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="note how far it is, and go on where such a run was interrupted",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Verify; without ``--repair`` nothing is changed."""
    open_ = open_to_change if args.repair or args.resume else open_existing
    with contextlib.ExitStack() as stack:
        cache = stack.enter_context(open_(args.cache))
        found = verify(
            cache,
            repair=_source(args.repair, stack),
            resume=args.resume,
            show_progress=not args.json,
        )
    if args.json:
        print_json(_as_json(found))
    else:
        _print(found)
    return _code(found)


def _source(named: str | None, stack: contextlib.ExitStack) -> Repair | None:
    if named is None:
        return None
    if named == "quarantine":
        return "quarantine"
    opened: Cache = stack.enter_context(open_cache(named, read_only=True, memory_bytes=0))
    return opened


def _code(found: Verified) -> Exit:
    if found.is_sound:
        return Exit.OK
    return Exit.DAMAGED if found.left else Exit.MENDED


def _as_json(found: Verified) -> dict[str, object]:
    findings = [finding._asdict() | {"key": str(finding.key)} for finding in found.findings]
    fields = dataclasses.asdict(found) | {"findings": findings}
    return fields | {"sound": found.is_sound, "left": found.left}


def _print(found: Verified) -> None:
    counts = ", ".join(f"{count:,} {kind}" for kind, count in found.found.items())
    pairs = [
        ("calls", f"{found.calls:,}"),
        ("values", f"{found.values:,}"),
        ("damage", counts or "none"),
    ]
    if not found.is_sound:
        pairs += [
            ("repaired", f"{found.repaired:,}"),
            ("quarantined", f"{found.quarantined:,}"),
            ("left", f"{found.left:,}"),
        ]
    if found.adoptable:
        pairs.append(("to reindex", f"{found.adoptable:,} records"))
    print_pairs(pairs)
    if found.findings:
        print()
        rows = [(each.kind, str(each.key), each.outcome, printable(each.reason))
                for each in found.findings]  # fmt: skip
        print_table(("damage", "key", "outcome", "reason"), rows)
