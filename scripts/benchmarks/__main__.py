"""The program behind ``scripts/bench``."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks import (
    arrays,
    backends,
    budgets,
    destructuring,
    digests,
    imports,
    index,
    memo,
    page,
    transfer,
    upkeep,
)
from scripts.benchmarks.report import as_data, as_markdown
from scripts.benchmarks.rows import Row, Settings, Suite


def suites() -> dict[str, Suite]:
    """All suites by name, in the order in which they run."""
    found: dict[str, Suite] = {}
    for module in (
        memo, digests, arrays, destructuring, backends, index, budgets, transfer, upkeep, imports,
    ):  # fmt: skip
        module.register(found)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run suites and print their tables."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    known = suites()
    options = _parser(list(known)).parse_args(given)
    chosen = options.suites or list(known)
    results: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        settings = Settings(
            Path(folder), options.quick, frozenset(options.skip), options.folder, options.largest
        )
        for name in chosen:
            results[name] = list(known[name](settings))
            print(as_markdown(name, results[name]), end="\n\n", flush=True)
    command = shlex.join(["scripts/bench", *given])
    if options.json:
        options.json.write_text(json.dumps(as_data(results, command), indent=1) + "\n")
    if options.page:
        page.write(options.page, results, command)


def _parser(names: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"from {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="tiny inputs: does it all still run?")
    parser.add_argument("--skip", action="append", default=[], metavar="CONTENDER")
    parser.add_argument(
        "--folder", type=Path, help="keep generated databases here, and use those that are there"
    )
    parser.add_argument(
        "--largest", type=int, default=6, metavar="N", help="the largest database has 10^N calls"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the tables as a page")
    return parser


if __name__ == "__main__":
    main()
