from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fleche_like.cache import Cache
from fleche_like.calls import Call
from fleche_like.cli import main
from fleche_like.config import open_cache

START = datetime(2026, 1, 1, tzinfo=UTC)


class Done(NamedTuple):
    code: int
    out: str
    err: str


def simulate(n: int, **more: Any) -> Call:
    """Return call number ``n``: alpha 0.0, 0.1 …, started ``n`` hours after START."""
    metadata = {"runtime": {"started": START + timedelta(hours=n), "walltime": n * 1.5}}
    arguments = {"alpha": n / 10, "steps": 100 + n % 2} | more
    return Call("simulate", arguments, module="lab", result=n / 5, metadata=metadata)


def fill(cache: Cache) -> None:
    for n in range(10):
        cache.save(simulate(n))
    array = {"data": np.arange(12.0).reshape(3, 4)}
    metadata = {"runtime": {"started": START - timedelta(days=1)}, "tag": "\x1b[31mred"}
    cache.save(
        Call("Model.fit", array, "lab", version=2, result={"loss": [0.5]}, metadata=metadata)
    )


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed cache to copy: making one takes longer than most tests."""
    folder = tmp_path_factory.mktemp("filled") / "results"
    with open_cache(folder) as cache:
        fill(cache)
    return folder


@pytest.fixture
def folder(tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, a project of its own, with a cache in ``results``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "pyproject.toml").touch()
    shutil.copytree(filled, tmp_path / "results")
    return tmp_path


@pytest.fixture
def results(folder: Path) -> Iterator[Cache]:
    """The cache in ``results``, open beside the command line."""
    with open_cache(folder / "results") as cache:
        yield cache


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process."""

    def run(*words: str) -> Done:
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def look(folder: Path, run: Callable[..., Done]) -> Callable[..., Done]:
    """Run a command on the cache in ``results``."""
    return lambda *words: run("--cache", "results", *words)
