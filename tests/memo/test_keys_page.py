"""docs/keys.md: every block runs, and prints what the page says it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "keys.md"


def blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def printed(text: str, folder: Path) -> str:
    file = folder / text.splitlines()[0].removeprefix("# ")
    file.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", file.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_prints_what_it_says(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    last, shown = "", 0
    for language, text in blocks():
        if language == "python":
            last = printed(text, tmp_path)
        elif language == "text":
            shown += 1
            assert last == text
    assert shown == 4
