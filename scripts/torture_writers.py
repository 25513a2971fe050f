"""Kill writers of caches with SIGKILL at random moments, and look at what they leave."""

from __future__ import annotations

import argparse
import functools
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fleche_like.testing.crashes import (  # noqa: E402 - needs the path
    LONGEST_S,
    EmbeddedPlace,
    Place,
    Report,
    ServerPlace,
    collecting,
    reindexing,
    torture,
    verifying,
)
from tests import servers  # noqa: E402

EVERY_FAULT: Final = "FLECHE_TEST_EVERY_FAULT"
"""Set: the tests of faults try each place and each kind of fault, not a selection."""


def folder(path: Path, **options: object) -> Place:
    """Return the place of a cache in a folder."""
    return EmbeddedPlace(path / "cache", options)


def postgresql(path: Path) -> Place:
    """Return the place of an index on PostgreSQL, with values in a folder."""
    return ServerPlace(servers.postgresql_url(), str(path / "values"))


def mariadb(path: Path) -> Place:
    """Return the place of an index on MariaDB, with values in a folder."""
    return ServerPlace(servers.mariadb_url(), str(path / "values"))


def postgresql_alone(_path: Path) -> Place:
    """Return the place of a cache on PostgreSQL."""
    return ServerPlace(servers.postgresql_url())


TARGETS: Final[Mapping[str, Callable[[Path], Place]]] = {
    "embedded": folder,
    "files": functools.partial(folder, inline_bytes=0),
    "power": functools.partial(folder, durability="power"),
    "postgresql": postgresql,
    "postgresql-alone": postgresql_alone,
    "mariadb": mariadb,
}


CHORES: Final = {"reindex": reindexing, "gc": collecting, "verify": verifying}

SERVERS: Final = {
    "postgresql": servers.POSTGRESQL,
    "postgresql-alone": servers.POSTGRESQL,
    "mariadb": servers.MARIADB,
}
"""Where the server of a target is; empty where there is none."""

LONGEST_ON_SERVERS_S: Final = 2.0
"""The longest that a process works there before it is killed: opening alone takes longer."""


def told(start: float, report: Report) -> None:
    """Say how far it is, on one line."""
    seconds = time.monotonic() - start
    print(f"\r{report.kills} kills, {seconds:.0f} s", end="", file=sys.stderr, flush=True)


def summary(target: str, report: Report, seconds: float) -> str:
    """Return what was found, in a line, and then in full if anything was."""
    counts = ", ".join(
        f"{len(getattr(report, name))} {name}" for name in ("broken", "wrong", "lost", "stuck")
    )
    line = (
        f"{target}: {report.kills} kills in {report.rounds} rounds ({seconds:.0f} s), "
        f"{report.calls} calls stored: {counts}; seed {report.seed}"
    )
    findings = [*report.broken, *report.wrong, *report.lost, *report.stuck]
    return "\n  ".join([line, *findings])


def every_fault() -> int:
    """Run the tests of faults at every operation; return the exit code."""
    environment = {**os.environ, EVERY_FAULT: "1"}
    command = [sys.executable, "-m", "pytest", "-q", "tests/torture/test_every_fault.py"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="torture",
        description=__doc__,
        epilog="Exit codes: 0 nothing was found; 1 something was; 2 wrong usage, no such server.",
    )
    parser.add_argument(
        "--target", choices=[*TARGETS, "all"], default="embedded", help="which cache"
    )
    parser.add_argument("--kills", type=int, default=500, help="how many (500)")
    parser.add_argument("--seconds", type=float, help="begin no further round after so long")
    parser.add_argument("--writers", type=int, default=3, help="how many at once (3)")
    parser.add_argument("--seed", type=int, help="of an earlier run, to do about the same again")
    parser.add_argument(
        "--chore", action="append", default=[], choices=CHORES, help="do it meanwhile; repeatable"
    )
    parser.add_argument("--every-fault", action="store_true", help="faults instead of kills")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; return the exit code."""
    chosen = options(arguments)
    if chosen.every_fault:
        return every_fault()
    seed = random.randrange(2**32) if chosen.seed is None else chosen.seed
    clean = True
    for target in TARGETS if chosen.target == "all" else [chosen.target]:
        if SERVERS.get(target) == "":
            print(f"{target}: no such server; see what scripts/services prints")
            return 2
        start = time.monotonic()
        report = torture(
            TARGETS[target],
            kills=chosen.kills,
            seconds=chosen.seconds,
            seed=seed,
            writers=chosen.writers,
            chores=[CHORES[name] for name in chosen.chore],
            longest_s=LONGEST_ON_SERVERS_S if target in SERVERS else LONGEST_S,
            told=functools.partial(told, start),
        )
        print(file=sys.stderr)
        print(summary(target, report, time.monotonic() - start), flush=True)
        clean = clean and report.is_clean
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
