"""``scripts/environment.sh`` with stand-ins for Python, so that nothing is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.project.paths import ROOT

STAND_IN = """#!/usr/bin/env bash
echo "$*" >>"{log}"
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi
case "$*" in {refused}) exit 1 ;; esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


def stand_in(folder: Path, refused: str = "nothing") -> Path:
    python = folder / "python"
    python.write_text(STAND_IN.format(log=folder / "log", refused=refused))
    python.chmod(0o755)
    return python


def make(folder: Path, python: Path) -> subprocess.CompletedProcess[str]:
    script = f'set -euo pipefail; . "{ROOT}/scripts/environment.sh"; environment .venv-x dev'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHON": str(python)},
        capture_output=True,
        text=True,
    )


def installations(folder: Path) -> int:
    return (folder / "log").read_text().count("-m pip install")


def test_an_environment_is_made_once(project: Path) -> None:
    python = stand_in(project)
    assert make(project, python).returncode == 0
    assert make(project, python).returncode == 0
    assert installations(project) == 1


def test_a_changed_pyproject_makes_it_anew(project: Path) -> None:
    python = stand_in(project)
    make(project, python)
    (project / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    make(project, python)
    assert installations(project) == 2


def test_an_interrupted_installation_is_made_anew(project: Path) -> None:
    assert make(project, stand_in(project, refused="*install*")).returncode != 0
    assert make(project, stand_in(project)).returncode == 0
    assert installations(project) == 2


def test_a_python_without_ensurepip_says_what_to_install(project: Path) -> None:
    done = make(project, stand_in(project, refused="*ensurepip*"))
    assert done.returncode != 0
    assert "apt-get install" in done.stderr
