from __future__ import annotations

import os
import subprocess

import pytest

from tests.project.paths import ROOT

COMMANDS = [
    ".ci/run",
    *(f"scripts/{name}" for name in ("bench", "demo", "services", "test", "torture")),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_can_be_started(command: str) -> None:
    assert os.access(ROOT / command, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / command], check=True)


def test_continuous_integration_runs_what_developers_run() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec scripts/test")


@pytest.mark.parametrize("script", ["bench", "demo", "test", "torture"])
def test_a_script_makes_its_own_environment(script: str) -> None:
    assert "\nenvironment .venv-" in (ROOT / "scripts" / script).read_text()
