"""Configuration files: where they are looked for, and what they say."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from fleche_like.config.problems import problem
from fleche_like.errors import ConfigError
from fleche_like.support.ownership import planted_by

logger = logging.getLogger(__name__)

FILE_NAME: Final = "fleche-like.toml"
CONFIG_VARIABLE: Final = "FLECHE_LIKE_CONFIG"
"""Names the file to read in place of the project's."""

_APPLICATION: Final = "fleche-like"


class Looked(NamedTuple):
    """A place where a file was looked for.

    Attributes:
        role: ``"project"`` or ``"user"``.
        path: the file; for a project without one, the folder where looking began.
        state: ``"read"``, ``"absent"``, or why it was passed over.
    """

    role: str
    path: Path
    state: str


def user_file(environment: Mapping[str, str]) -> Path:
    """Return the configuration file of the user, in the folder that the platform has for that."""
    if sys.platform == "win32":
        roaming = environment.get("APPDATA")
        base = Path(roaming) if roaming else Path.home() / "AppData" / "Roaming"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        # Relative ones are to be ignored, says the XDG specification.
        given = Path(environment.get("XDG_CONFIG_HOME", ""))
        base = given if given.is_absolute() else Path.home() / ".config"
    return base / _APPLICATION / FILE_NAME


def look(start: Path, environment: Mapping[str, str]) -> Iterator[Looked]:
    """Yield where files were looked for: the project's, which wins, then the user's.

    Raises:
        ConfigError: the environment names a file that is not there.
    """
    yield _project(start, environment)
    user = user_file(environment)
    yield Looked("user", user, _state(user) if user.is_file() else "absent")


def read(path: Path) -> dict[str, Any]:
    """Return what a file says.

    Raises:
        ConfigError: it cannot be read, or is no TOML; the message says in which line.
    """
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise problem(str(path), "", "", f"cannot be read: {error.strerror}") from None
    except ValueError as error:  # of TOML, and of UTF-8
        raise problem(str(path), "", "", f"is no TOML: {error}") from None


def _project(start: Path, environment: Mapping[str, str]) -> Looked:
    named = environment.get(CONFIG_VARIABLE)
    if named:
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            raise ConfigError(f"{CONFIG_VARIABLE}: there is no file {path}", source=CONFIG_VARIABLE)
        return Looked("project", path, "read")
    for folder in (start, *start.parents):
        path = folder / FILE_NAME
        if _is_file(path):
            return Looked("project", path, _state(path))
    return Looked("project", start, "absent")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # a folder above that we may not look into
        return False


def _state(path: Path) -> str:
    reason = planted_by(path)
    if reason is None:
        return "read"
    logger.warning("%s was passed over: %s", path, reason)
    return f"passed over: {reason}"


def environment_of(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the environment to look into: the process's unless one is given."""
    return os.environ if environment is None else environment
