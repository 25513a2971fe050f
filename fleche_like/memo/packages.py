"""Installed packages that count as code: by their version."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Iterable

from fleche_like.hashing import Digest, digest


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
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
    try:
        version = getattr(importlib.import_module(name), "__version__", None)
    except ImportError:
        return None
    return None if version is None else str(version)
