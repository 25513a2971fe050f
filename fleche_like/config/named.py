"""Opening the caches that a configuration names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from fleche_like.cache import Cache, CachePool, CacheStack
from fleche_like.config.problems import problem
from fleche_like.config.settings import Settings, Table, expanded, load_settings
from fleche_like.errors import ConfigError, FlecheError

SIGN: Final = "@"
"""In front of the name of a cache, so that it is no folder; a folder ``@x`` is ``./@x``."""

_KINDS: Final[Mapping[str, Callable[..., Cache]]] = {"stack": CacheStack, "pool": CachePool}

Opener = Callable[..., Cache]


def name_of(target: str) -> str | None:
    """Return the name in ``@name``; ``None`` for a folder or URL.

    Raises:
        ConfigError: there is no name behind the sign.
    """
    if not target.startswith(SIGN):
        return None
    if len(target) == len(SIGN):
        raise ConfigError("@ wants the name of a cache behind it", source="open_cache")
    return target.removeprefix(SIGN)


def open_named(
    name: str,
    opener: Opener,
    options: Mapping[str, Any],
    settings: Settings | None = None,
) -> Cache:
    """Open a cache of the configuration, with all that it is made of.

    Args:
        name: of the cache.
        opener: opens a folder or URL: :func:`~fleche_like.config.open_cache`.
        options: win over those of the configuration.
        settings: the configuration; looked for if omitted.

    Raises:
        ConfigError: there is none of that name, or something is wrong with it.
    """
    found = load_settings() if settings is None else settings
    table = found.cache(name)
    for form in ("stack", "pool"):
        if form in table.values:
            return _composed(form, table, found, opener, options)
    target, more = leaf(table)
    return opener(target, **more | dict(options))


def leaf(table: Table) -> tuple[str, dict[str, Any]]:
    """Return target and options of a cache that is no composition.

    Raises:
        ConfigError: a place is in a variable that is not set.
    """
    options = dict(table.values)
    key = "url" if "url" in options else "path"
    target = expanded(options.pop(key), table.where(key), table.name, key)
    if key == "path" or _is_relative(target):
        target = _beside(table, target)
    if "values" in options:
        where = expanded(options["values"], table.where("values"), table.name, "values")
        options["values"] = _beside(table, where) if _is_relative(where) else where
    if "file" in options.get("keys", {}):
        options["keys"] = {"file": _beside(table, options["keys"]["file"])}
    return target, options


def _beside(table: Table, path: str) -> str:
    return str(table.folder / Path(path).expanduser())


def _is_relative(target: str) -> bool:
    return "://" not in target and not target.startswith("memory:")


def _composed(
    form: str, table: Table, settings: Settings, opener: Opener, options: Mapping[str, Any]
) -> Cache:
    with contextlib.ExitStack() as opened:
        members = []
        for name in table.values[form]:
            member = _member(name, table, settings, opener, options)
            opened.callback(member.close)
            members.append(member)
        made = _KINDS[form](*members)
        opened.pop_all()
    return made


def _member(
    name: str, table: Table, settings: Settings, opener: Opener, options: Mapping[str, Any]
) -> Cache:
    try:
        return open_named(name, opener, options, settings)
    except FlecheError as error:
        error.add_note(f"{name!r} is part of [{table.name}] in {table.source}")
        raise


def place_named(name: str) -> str:
    """Return the folder or URL of a cache of the configuration.

    Raises:
        ConfigError: it is made of several, or there is none of that name.
    """
    table = load_settings().cache(name)
    for form in ("stack", "pool"):
        if form in table.values:
            members = ", ".join(f"@{member}" for member in table.values[form])
            raise problem(
                table.source, table.name, form, f"has no index of its own; name one of {members}"
            )
    return leaf(table)[0]
