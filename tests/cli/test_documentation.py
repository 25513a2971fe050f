"""What docs/querying.md says is run, block by block, in one project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.paths import ROOT

PAGE = (ROOT / "docs" / "querying.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for language, text in BLOCKS
    for line in text.splitlines()
    if language == "console" and line.startswith("$ ")
]


def succeed(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documentation")
    (folder / "pyproject.toml").touch()
    return folder


@pytest.fixture(scope="module")
def study(project: Path) -> str:
    """All Python blocks, in order, as the one script that a reader would have."""
    script = "".join(text for language, text in BLOCKS if language == "python")
    (project / "study.py").write_text(script)
    return succeed([sys.executable, "-W", "error", "study.py"], project)


def test_the_python_blocks_run_and_say_nothing(study):
    assert study == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_find_what_the_blocks_stored(command, study, project):
    program = f"{sys.executable} -m fleche_like --cache results "
    assert command.startswith("fleche-like ")

    shown = succeed(["bash", "-c", command.replace("fleche-like ", program, 1)], project)
    assert shown or (project / command.rsplit(maxsplit=1)[-1]).stat().st_size


def test_commands_were_found():
    assert len(COMMANDS) == 5
