"""What counts as the project's own code, and under which name a thing goes.

The project's own is what is neither Python nor installed: a module whose file lies outside the
standard library and outside every ``site-packages`` and ``dist-packages`` folder, and a module
without a file that is not built in (a notebook, an interactive session). An editable installation
counts as own, for its files are where they are worked on. This package itself does not.
"""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fleche_like.hashing import module_name, type_names
from fleche_like.hashing.installed import is_installed

_OURS: Final = __name__.partition(".")[0]
_PYTHON: Final = ("stdlib", "platstdlib", "purelib", "platlib")


def is_own_namespace(namespace: Mapping[str, Any]) -> bool:
    """Whether the module with these globals is the project's own.

    >>> import json
    >>> is_own_namespace(vars(json)), is_own_namespace({"__name__": "notebook"})
    (False, True)
    """
    name, file = namespace.get("__name__"), namespace.get("__file__")
    if isinstance(name, str) and name.partition(".")[0] == _OURS:
        return False
    if isinstance(file, str):
        return _is_own_file(file)
    return not is_installed(file, namespace.get("__spec__"))


@functools.lru_cache(maxsize=4096)
def _is_own_file(file: str) -> bool:
    return not is_installed(file, None) and not file.startswith(_installed_folders())


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(f"{paths[name]}/" for name in _PYTHON if name in paths)


def is_own_class(cls: type) -> bool:
    """Whether the project defines a class: its module, or one of its methods, is the project's."""
    module = sys.modules.get(type_module(cls))
    if module is not None and not is_own_namespace(vars(module)):
        # A class that a function of ours makes may claim to be from ``types`` or ``abc``.
        found = (each for each in vars(cls).values() if isinstance(each, types.FunctionType))
        return any(is_own_namespace(each.__globals__) for each in found)
    return True


def type_module(cls: type) -> str:
    """Return the module that a class says it is from, past what its metaclass says."""
    module = type.__dict__["__module__"].__get__(cls)
    return module if isinstance(module, str) else ""


def importable_name(value: Any) -> tuple[str, str] | None:
    """Return module and qualified name of a module, or of a function or class that its module has.

    A lambda, a local function or a class made by a function has no such name.
    """
    if isinstance(value, types.ModuleType):
        return module_name(value), ""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str) and callable(value)):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module_name(value), name) if found is value else None


def label_of(value: Any, home: str) -> str:
    """Return what a function or class is called in a manifest.

    Args:
        value: a function or class.
        home: the module of the memoized function, which goes without saying.
    """
    if isinstance(value, type):
        raw, (module, name) = type_module(value), type_names(value)
    else:
        raw, module = str(value.__globals__.get("__name__", "")), module_name(value)
        name = value.__qualname__
    return name if raw == home else f"{module}.{name}"


def find_labelled(label: str, home: Mapping[str, Any] | None) -> list[Any]:
    """Return the function or class that has a label, if a name leads to it; else nothing.

    Args:
        label: what :func:`label_of` gave.
        home: the globals of the memoized function.
    """
    found = _follow((home or {}).get(label.partition(".")[0]), label.split(".")[1:])
    for module, path in [*_splits(label)]:
        if found is None:
            found = _follow(sys.modules.get(module), path)
    return [] if found is None or isinstance(found, types.ModuleType) else [found]


def _splits(label: str) -> Iterator[tuple[str, list[str]]]:
    parts = label.split(".")
    for at in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:at]), parts[at:]


def _follow(found: Any, path: list[str]) -> Any:
    for name in path:
        found = getattr(found, name, None)
    return found
