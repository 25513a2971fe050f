from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "digests.json"
SCRIPT = ROOT / "scripts" / "freeze-digests"


# Importing every library takes most of the time; two starts without them are quick.
STARTS = [
    ("0", []),
    ("random", ["--order", "shuffled 2"]),
    ("1", ["--order", "reversed", "--no-libraries"]),
    ("4242", ["--order", "shuffled 1", "--no-libraries"]),
]


def check(seed: str, options: list[str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check", *options],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout.splitlines()[-1:])
    return done.returncode, done.stdout + done.stderr


def test_golden_digests_hold_in_fresh_processes() -> None:
    """Whatever hashes of strings are, and whatever was digested and imported before."""
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda start: (start, *check(*start)), STARTS)
    assert [(start, output) for start, code, output in results if code] == []


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
