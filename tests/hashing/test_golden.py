from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "digests.json"
SCRIPT = ROOT / "scripts" / "freeze-digests"


STARTS = [("0", ""), ("1", "reversed"), ("4242", "shuffled 1"), ("random", "shuffled 2")]


@pytest.mark.parametrize(("seed", "order"), STARTS)
def test_golden_digests_hold_in_a_fresh_process(seed: str, order: str) -> None:
    """Whatever hashes of strings are, and whatever was digested and imported before."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check", "--order", order],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout.splitlines()[-1:])
    assert done.returncode == 0, done.stdout + done.stderr


def test_golden_digests_are_all_different() -> None:
    digests = json.loads(GOLDEN.read_text())
    twins = ["union", "optional"]  # one type from Python 3.14 on
    assert len({digests[name] for name in twins}) == 1
    assert len(set(digests.values())) == len(digests) - 1


def test_hashing_imports_no_library_by_itself() -> None:
    code = (
        "import sys; from fleche_like.hashing import digest; digest([{1}, 2, object]);"
        "print([m for m in ('numpy', 'pandas', 'attrs', 'decimal', 'random') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
