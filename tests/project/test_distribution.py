from __future__ import annotations

import re
import tomllib
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import fleche_like
from fleche_like.index import migrations_path
from tests.project.paths import ROOT

PACKAGE = Path(fleche_like.__file__).parent


def test_migrations_come_with_the_package() -> None:
    found = Path(migrations_path())
    beside = PACKAGE.parent == ROOT
    assert found == (ROOT / "migrations" if beside else PACKAGE / "migrations")
    assert (found / "env.py").is_file()
    assert list((found / "versions").glob("*.py"))


def test_the_package_says_that_it_is_typed() -> None:
    assert files("fleche_like").joinpath("py.typed").is_file()


def test_the_core_needs_six_packages_and_no_more() -> None:
    needed = [text for text in metadata.requires("fleche-like") or [] if "extra ==" not in text]
    names = {re.split(r"[^\w-]", text)[0].lower() for text in needed}
    assert names == {"sqlalchemy", "alembic", "xxhash", "cloudpickle", "fsspec", "tqdm"}


def test_every_dependency_has_its_reason() -> None:
    """STYLE: each line of a dependency carries a comment that says why it is there."""
    text = (ROOT / "pyproject.toml").read_text()
    core = text[text.index("\ndependencies = [") : text.index("[project.optional-dependencies]")]
    lines = [line for line in core.splitlines() if line.startswith('  "')]
    assert [line for line in lines if " # " not in line] == []


def test_the_command_is_installed() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="fleche-like")
    assert callable(command.load())


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert metadata.version("fleche-like") == project["version"]
