"""Small projects on disk that are loaded, edited and loaded again, as between two runs.

The folder ``cases`` has them as text: ``=== name of the case``, then for each module ``--- module``
and its lines, then what is done to it: ``--- replace`` and ``--- by``, or ``--- change``.
"""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HEAD = "import fleche_like as fl\n"
_ACTIONS = ("replace", "by", "change")


@dataclass(frozen=True)
class Case:
    """A project, and what is done to it."""

    name: str
    files: dict[str, str]
    replace: str = ""
    by: str = ""
    change: str = ""

    def edited(self) -> dict[str, str]:
        """Return the modules with the text replaced."""
        assert any(self.replace in text for text in self.files.values())
        return {name: text.replace(self.replace, self.by) for name, text in self.files.items()}


def cases(name: str) -> list[Any]:
    """Return the cases of a file as parameters of a test."""
    text = (Path(__file__).parent / "cases" / f"{name}.txt").read_text()
    return [pytest.param(_case(each), id=each.split("\n")[0]) for each in text.split("=== ")[1:]]


def _case(text: str) -> Case:
    name, *sections = text.rstrip("\n").split("\n--- ")
    parts = dict(each.partition("\n")[::2] for each in sections)
    actions = {each: parts.pop(each) for each in _ACTIONS if each in parts}
    parts["main"] = HEAD + parts["main"] + "\n"
    return Case(name, parts, **actions)


class Project:
    """A folder of modules. ``main`` holds the function that is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, files: Mapping[str, str]) -> ModuleType:
        """Write modules, forget what was loaded, and import ``main``."""
        self.unload()
        for name, text in files.items():
            path = self.folder / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        linecache.clearcache()
        return importlib.import_module("main")

    def unload(self) -> None:
        """Forget every module of the project."""
        root = str(self.folder)
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None) or ""
            if file.startswith(root):
                del sys.modules[name]
