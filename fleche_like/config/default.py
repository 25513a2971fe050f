"""Where the default cache lives: with the project, else with the user."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import Final

from fleche_like.cache import Cache
from fleche_like.config.opening import open_cache
from fleche_like.config.settings import load_settings
from fleche_like.errors import ConfigError, ReadOnlyError
from fleche_like.support.ownership import planted_by
from fleche_like.support.redact import redact

logger = logging.getLogger(__name__)

FOLDER_NAME: Final = ".fleche-like"
_PROJECT_MARKS: Final = ("pyproject.toml", ".git")
_APPLICATION: Final = "fleche-like"

_CACHEDIR_TAG: Final = """\
Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache made by fleche-like. See https://bford.info/cachedir/
"""


def default_folder(start: Path | None = None) -> Path:
    """Return the folder of the cache that is used where none was set.

    That is ``.fleche-like`` beside the nearest ``pyproject.toml`` or ``.git`` at or above
    ``start`` (the working directory if omitted), else ``fleche-like`` in the user's folder for
    application data.
    """
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if any((folder / mark).exists() for mark in _PROJECT_MARKS):
            return folder / FOLDER_NAME
    return _user_data_folder() / _APPLICATION


def _user_data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def default_target() -> str:
    """Return the cache that is used where none was set, as ``open_cache`` takes it.

    That is what ``FLECHE_LIKE_CACHE`` says; else the ``default`` of ``fleche-like.toml``; else
    :func:`default_folder`.

    Raises:
        ConfigError: something is wrong with the configuration.
    """
    return load_settings().default or str(default_folder())


def open_default_cache() -> Cache:
    """Open the default cache, making it with a note to git and to backup programs if need be.

    One that cannot be written to is opened read-only.

    Raises:
        ConfigError: something is wrong with the configuration, or somebody who is not trusted
            could have made the folder.
    """
    settings = load_settings()
    if settings.default is not None:
        logger.info("no cache was set; using %s", redact(settings.default))
        return open_cache(settings.default)
    return _in_default_folder(default_folder())


def _in_default_folder(folder: Path) -> Cache:
    reason = planted_by(folder) if folder.exists() else None
    if reason is not None:
        raise ConfigError(f"the default cache {folder} is not used: {reason}", source=str(folder))
    try:
        cache = open_cache(folder)
    except ReadOnlyError:
        cache = open_cache(folder, read_only=True)
    else:
        _write_once(folder / ".gitignore", "*\n")
        _write_once(folder / "CACHEDIR.TAG", _CACHEDIR_TAG)
    logger.info("no cache was set; using %s", folder)
    return cache


def _write_once(path: Path, text: str) -> None:
    with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(text)
