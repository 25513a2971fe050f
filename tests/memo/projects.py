"""Small projects on disk that are loaded, edited and loaded again, as between two runs."""

from __future__ import annotations

import importlib
import linecache
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType


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
            path.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        linecache.clearcache()
        sys.dont_write_bytecode = True
        return importlib.import_module("main")

    def unload(self) -> None:
        """Forget every module of the project."""
        root = str(self.folder)
        for name, module in [*sys.modules.items()]:
            file = getattr(module, "__file__", None) or ""
            if file.startswith(root):
                del sys.modules[name]
