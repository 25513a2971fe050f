"""docs/moving.md: every block runs, in order, in one project."""

from __future__ import annotations

import sys

import pytest

from tests.project.paths import ROOT
from tests.project.test_readme import blocks, run

PAGE = (ROOT / "docs" / "moving.md").read_text()


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def test_every_block_runs(project):
    for block in blocks(PAGE):
        if block.language == "python":
            (project / block.file).write_text(block.text)
            run([sys.executable, "-W", "error", block.file], project)
        for line in block.text.splitlines() if block.language == "console" else ():
            assert run(["bash", "-c", line.removeprefix("$ ")], project), line
    assert len(blocks(PAGE)) == 3
