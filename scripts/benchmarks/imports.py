"""What importing takes beyond starting Python, in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from scripts.benchmarks.contest import Entry, contest
from scripts.benchmarks.rows import OURS, Row, Settings, Suite, under

MODULES = {OURS: "fleche_like", "diskcache": "diskcache", "joblib": "joblib", "fleche": "fleche"}
BARE = "bare python"


def register(suites: dict[str, Suite]) -> None:
    """Add this suite."""
    suites["import"] = rows


def rows(settings: Settings) -> Iterator[Row]:
    """Start Python many times, with and without the import."""
    entries: dict[str, Entry] = {BARE: partial(_start, "pass")}
    for name, module in settings.without_skipped(MODULES).items():
        entries[name] = partial(_start, f"import {module}")
    for entry in entries.values():
        entry()  # bytecode is compiled and files are in memory from here on
    samples = contest(entries, rounds=settings.size(25, 1), number=1)
    yield Row("import, beyond bare python", samples.over(BARE), (under(0.060),))


def _start(statement: str) -> None:
    # Without its bytecode a package would be compiled at every import, which no user sees.
    kept = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", statement], check=True, env=kept)
