"""Under which name a class, function or module is known, in this process and in the next."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from fleche_like.hashing import bulk, tags

_MAIN = ("__main__", "__mp_main__")


def module_name(obj: Any) -> str:
    """Return the name of the module that defines a class or function, or that a module has.

    What is defined in ``__main__`` is named after the script: by its module name when it runs as
    ``python -m package.module``, else by the stem of its file; ``__main__`` where there is neither
    (a notebook, an interactive session). Worker processes that re-run the script agree.

    >>> import json
    >>> module_name(json.dumps), module_name(json), module_name(dict)
    ('json', 'json', 'builtins')
    """
    name = obj.__name__ if isinstance(obj, type(sys)) else getattr(obj, "__module__", None)
    if not isinstance(name, str):
        return ""
    if name not in _MAIN:
        return str(name)
    # While a worker process runs the script again, that is not sys.modules["__main__"] yet.
    space = getattr(obj, "__globals__", {})
    return _script_name(space) if space.get("__name__") in _MAIN else main_module_name()


def main_module_name() -> str:
    """Return the importable name of the running script, or ``__main__`` where there is none."""
    return _script_name(getattr(sys.modules.get("__main__"), "__dict__", {}))


def _script_name(main: Mapping[str, Any]) -> str:
    spec = main.get("__spec__")
    if spec is not None and spec.name not in _MAIN:
        return str(spec.name)
    file = main.get("__file__")
    if not file:
        return "__main__"
    return os.path.splitext(os.path.basename(str(file)))[0]


def type_names(cls: type) -> tuple[str, str]:
    """Return module and qualified name of a class, past any metaclass that redefines them."""
    module = type.__dict__["__module__"].__get__(cls)
    qualname = type.__dict__["__qualname__"].__get__(cls)
    if not isinstance(module, str):
        module = ""
    return (main_module_name() if module in _MAIN else module), qualname


def object_head(cls: type) -> bytes:
    """Return the bytes that open an ``O`` encoding of an instance of ``cls``."""
    module, qualname = type_names(cls)
    return tags.OBJECT + bulk.scalar(module) + bulk.scalar(qualname)
