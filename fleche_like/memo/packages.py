"""Installed packages that count as code: by their version."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fleche_like.hashing import Digest, digest
from fleche_like.memo.own import is_own_namespace, type_module
from fleche_like.memo.sites import Site

_NOT_REPORTED: Final = frozenset({"__main__", "fleche_like"})


def reached_packages(sites: Iterable[Site]) -> frozenset[str]:
    """Return the top-level names of installed packages that places lead to."""
    return frozenset(name for site in sites for name in _package_of(site.value))


def _package_of(value: Any) -> Iterator[str]:
    if issubclass(type(value), types.ModuleType):
        module = value.__name__
    elif issubclass(type(value), type):
        module = type_module(value)
    elif type(value) in {types.FunctionType, types.BuiltinFunctionType}:
        module = value.__module__
    else:
        return
    top = str(module).partition(".")[0]
    found = sys.modules.get(top)
    if top in sys.stdlib_module_names or top in _NOT_REPORTED or found is None:
        return
    if not is_own_namespace(vars(found)):
        yield top


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of modules that are loaded, by their top-level name."""
    return {name: version for name in sorted(packages) if (version := _version(name)) is not None}


def _version(name: str) -> str | None:
    version = getattr(sys.modules.get(name), "__version__", None)
    return str(version) if isinstance(version, str) else version_of(name)


def package_digests(packages: Iterable[str]) -> dict[str, Digest]:
    """Return the parts of packages in a manifest.

    Args:
        packages: names of distributions, or of modules that have a ``__version__``.
    """
    return {f"package {name}": digest(version_of(name)) for name in sorted({*packages})}


@functools.cache
def version_of(name: str) -> str | None:
    """Return the version of an installed distribution or module; ``None`` if it has none.

    >>> version_of("no-such-package-here") is None
    True
    """
    from importlib import metadata  # which takes longer to import than the rest of this floor

    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    try:
        version = getattr(importlib.import_module(name), "__version__", None)
    except ImportError:
        return None
    return None if version is None else str(version)
