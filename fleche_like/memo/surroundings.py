"""Metadata on where a call ran: the environment, and the state of a Git repository."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

GIT_MAX_AGE_S: Final = 10.0
"""How long a look at a repository is taken for granted; a look takes some 5 ms."""

_GIT_TIMEOUT_S: Final = 10.0


class EnvironmentMetadata:
    """Python, platform and host of the process, under ``environment``; and versions of packages.

    Looked up once per process. Three entries and one for each package, so that an index holds no
    more for each call.

    Args:
        *packages: distributions whose versions are recorded, ``None`` for one not installed.

    >>> sorted(EnvironmentMetadata("xxhash").start()())
    ['host', 'packages', 'platform', 'python']
    """

    name = "environment"

    def __init__(self, *packages: str) -> None:
        self._packages = packages

    def start(self) -> Callable[[], Mapping[str, Any]]:
        """Observe what does not change: see :class:`MetadataSource`."""
        return lambda: _environment(self._packages)


@functools.cache
def _environment(packages: tuple[str, ...]) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
    }
    if packages:
        found["packages"] = {name: _version(name) for name in packages}
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


class GitMetadata:
    """The commit that is checked out and whether tracked files differ from it, under ``git``.

    Nothing is recorded outside a repository, or where Git is not installed. A look at the
    repository is shared by the process and taken for granted for :data:`GIT_MAX_AGE_S`.

    Args:
        folder: any folder in the repository, or a file such as ``__file__``; the working directory
            of now, if omitted.
    """

    name = "git"

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        path = os.path.abspath(folder or ".")
        self._folder = os.path.dirname(path) if os.path.isfile(path) else path

    def start(self) -> Callable[[], Mapping[str, Any]]:
        """Look at the repository as it is before the body runs: see :class:`MetadataSource`."""
        state = _state_of(self._folder)
        return lambda: state


_looks: Final[dict[str, tuple[float, Mapping[str, Any]]]] = {}


def _state_of(folder: str) -> Mapping[str, Any]:
    looked_at, state = _looks.get(folder, (-GIT_MAX_AGE_S, {}))
    now = time.monotonic()
    if now - looked_at >= GIT_MAX_AGE_S:
        state = _look(folder)
        _looks[folder] = now, state
    return state


def _look(folder: str) -> Mapping[str, Any]:
    """Ask Git once, for both: without locks, and without looking for untracked files."""
    command = ["git", "--no-optional-locks", "-C", folder, "status"]
    command += ["--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = done.stdout.splitlines()
    commits = [line.removeprefix("# branch.oid ") for line in lines if "# branch.oid " in line]
    dirty = any(not line.startswith("#") for line in lines)
    return {"commit": commits[0] if commits else None, "dirty": dirty}
