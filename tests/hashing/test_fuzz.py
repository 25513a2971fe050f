"""A short run of the fuzz target; ``scripts/fuzz-digests --seconds 600`` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz-digests"


def test_fuzzing_for_a_moment_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--seconds", "2", "--seed", "20"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing found" in done.stdout
