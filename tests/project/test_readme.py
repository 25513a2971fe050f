from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.project.paths import ROOT

PAGES = [
    "README.md",
    "docs/composing.md",
    "docs/configuration.md",
    "docs/memoizing.md",
    "docs/parallel.md",
    "docs/security.md",
    "docs/storing.md",
    "docs/upkeep.md",
]
README = (ROOT / "README.md").read_text()


class Block(NamedTuple):
    language: str
    text: str

    @property
    def file(self) -> str:
        """The file name that the first line of a Python block gives."""
        return self.text.splitlines()[0].removeprefix("# ")


def blocks(text: str) -> list[Block]:
    return [
        Block(*found)
        for found in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def run(command: list[str], folder: Path) -> str:
    """Run as a reader would: in their project's folder, with the tools of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder), "COLUMNS": "100"}
    # Where the package is not installed it is beside the tests.
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs_in_order_in_one_project(project: Path, page: str) -> None:
    for block in blocks((ROOT / page).read_text()):
        if block.language == "python":
            (project / block.file).write_text(block.text)
            run([sys.executable, "-W", "error", block.file], project)
        elif block.language == "console":
            for line in block.text.splitlines():
                command = line.removeprefix("$ ")
                assert run(["bash", "-c", command], project), f"{command} printed nothing"


def test_the_ten_lines_print_the_calls_that_match(project: Path) -> None:
    first = blocks(README)[0]
    (project / first.file).write_text(first.text)
    shown = [run([sys.executable, first.file], project) for _ in range(2)]
    for text in shown:
        assert re.findall(r"\b0\.[159]\b", text) == ["0.5", "0.9"]


def test_the_shell_blocks_name_scripts_that_exist() -> None:
    shell = "\n".join(block.text for block in blocks(README) if block.language == "sh")
    named = re.findall(r"^(scripts/\w+)", shell, re.MULTILINE)
    assert {"scripts/demo", "scripts/test"} <= set(named)
    for name in named:
        assert os.access(ROOT / name, os.X_OK), name


def test_the_first_block_stands_in_the_first_screen() -> None:
    assert README.index("```python") < README.index("\n## ")
    assert README[: README.index("```python")].count("\n") < 15
