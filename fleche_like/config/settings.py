"""All settings together, each with the place that it comes from.

The environment wins over the project's file, and that over the user's. A table of a cache is taken
whole from the first file that has it, so that no cache is made of halves; variables change single
keys of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fleche_like.config.environment import CACHE_VARIABLE, variables
from fleche_like.config.files import Looked, environment_of, look, read
from fleche_like.config.problems import problem, suggestion
from fleche_like.config.schema import CACHE, EXECUTOR, PLACES, TABLES, checked, text
from fleche_like.support.redact import redact

_ALONE: Final = ("stack", "pool")


@dataclass
class Table:
    """Settings, each with its origin.

    Attributes:
        name: of the table, dotted.
        source: where it begins: a file or a variable.
        folder: what relative paths are relative to.
        values: settings by key.
        origins: their origins by key.
    """

    name: str
    source: str
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def set(self, key: str, value: Any, source: str, known: Mapping[str, Any]) -> None:
        """Take a setting.

        Raises:
            ConfigError: it is unknown, or of a wrong type.
        """
        self.values[key] = checked(source, self.name, key, value, known)
        self.origins[key] = source

    def where(self, key: str) -> str:
        """Return where a setting comes from, or where the table begins."""
        return self.origins.get(key, self.source)


@dataclass
class Settings:
    """What was found.

    Attributes:
        looked: where files were looked for.
        caches: tables by name.
        executor: the table of executors' defaults.
        default: the cache to use where none was set, as ``open_cache`` takes it.
        default_origin: where that comes from.
    """

    looked: Sequence[Looked]
    folder: Path
    caches: dict[str, Table] = field(default_factory=dict)
    executor: Table = field(init=False)
    default: str | None = None
    default_origin: str = "built in"

    def __post_init__(self) -> None:
        self.executor = Table("executor", "built in", self.folder)

    def cache(self, name: str) -> Table:
        """Return the table of a cache.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self.caches:
            files = [str(each.path) for each in self.looked if each.state == "read"]
            searched = ", ".join(files) or "no configuration file was found"
            hint = suggestion(name, self.caches)
            raise problem(searched, "caches", name, f"there is no cache of that name{hint}")
        return self.caches[name]


def load_settings(
    start: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read files and environment.

    Args:
        start: where to begin to look upward; the working directory if omitted.
        environment: instead of the process's.

    Raises:
        ConfigError: names file (or variable), table and key of what is wrong.
    """
    found = environment_of(environment)
    here = (start or Path.cwd()).absolute()
    settings = Settings(list(look(here, found)), here)
    for place in settings.looked:
        if place.state == "read":
            _take_file(settings, place.path)
    _take_environment(settings, found)
    _check(settings)
    return settings


def _take_file(settings: Settings, path: Path) -> None:
    source, content = str(path), read(path)
    known = (*TABLES, "default")
    for key in content:
        if key not in known:
            raise problem(source, "", key, f"unknown key{suggestion(key, known)}")
    for name, table in _tables(source, "caches", content.get("caches", {})):
        if name not in settings.caches:
            settings.caches[name] = _table(f"caches.{name}", source, path.parent, table)
    executor = content.get("executor", {})
    for key, value in _tables(source, "executor", executor, nested=False):
        if key not in settings.executor.values:
            settings.executor.set(key, value, source, EXECUTOR)
    if "default" in content and settings.default is None:
        settings.default = "@" + checked(source, "", "default", content["default"], _DEFAULT)
        settings.default_origin = source


_DEFAULT: Final = {"default": text}


def _tables(
    source: str, name: str, content: Any, *, nested: bool = True
) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, Mapping):
        raise problem(source, name, "", "a table is wanted")
    for key, value in content.items():
        if nested and not isinstance(value, Mapping):
            raise problem(source, name, key, f"a table is wanted: [{name}.{key}]")
        yield key, value


def _table(name: str, source: str, folder: Path, content: Mapping[str, Any]) -> Table:
    table = Table(name, source, folder)
    for key, value in content.items():
        table.set(key, value, source, CACHE)
    return table


def _take_environment(settings: Settings, environment: Mapping[str, str]) -> None:
    for variable, (kind, *path), value in variables(environment):
        if kind == "executor":
            settings.executor.set(path[0], value, variable, EXECUTOR)
            continue
        name, key = _spelled_as(path[0], settings.caches), path[1]
        new = Table(f"caches.{name}", variable, settings.folder)
        table = settings.caches.setdefault(name, new)
        if key in PLACES:  # another place takes the place of the one before
            for other in PLACES:
                table.values.pop(other, None)
        table.set(key, _absolute(key, value, settings.folder), variable, CACHE)
    if environment.get(CACHE_VARIABLE):
        settings.default = environment[CACHE_VARIABLE]
        settings.default_origin = CACHE_VARIABLE


def _absolute(key: str, value: Any, folder: Path) -> Any:
    """Return a path of the environment, which is no part of the file that the table may be from."""
    is_path = key == "path" and isinstance(value, str)
    return str(folder / Path(value).expanduser()) if is_path else value


def _spelled_as(lower: str, names: Mapping[str, Table]) -> str:
    """Return the name of a cache that a variable means: capitals and dashes do not fit into it."""
    return next((name for name in names if name.lower().replace("-", "_") == lower), lower)


def _check(settings: Settings) -> None:
    for table in settings.caches.values():
        _check_place(table)
    for name, table in settings.caches.items():
        _check_members(settings, name, table, ())
    if settings.default is not None and settings.default.startswith("@"):
        name = settings.default[1:]
        if name not in settings.caches:
            hint = suggestion(name, settings.caches)
            key = "" if settings.default_origin == CACHE_VARIABLE else "default"
            reason = f"there is no cache {redact(name)!r}{hint}"
            raise problem(settings.default_origin, "", key, reason)


def _check_place(table: Table) -> None:
    given = [key for key in PLACES if key in table.values]
    if len(given) != 1:
        forms = ", ".join(PLACES)
        raise problem(
            table.source, table.name, ", ".join(given), f"exactly one of {forms} is wanted"
        )
    if given[0] in _ALONE:
        for key in table.values:
            if key != given[0]:
                raise problem(table.where(key), table.name, key, f"does not go with {given[0]}")
    if "values" in table.values and given[0] != "url":
        raise problem(table.where("values"), table.name, "values", "goes with url")


def _check_members(settings: Settings, name: str, table: Table, above: tuple[str, ...]) -> None:
    key = next((key for key in _ALONE if key in table.values), None)
    if key is None:
        return
    source, path = table.where(key), (*above, name)
    for member in table.values[key]:
        if member not in settings.caches:
            hint = suggestion(member, settings.caches)
            raise problem(source, table.name, key, f"there is no cache {member!r}{hint}")
        if member in path:
            circle = " -> ".join((*path[path.index(member) :], member))
            raise problem(source, table.name, key, f"a cache inside itself: {circle}")
        _check_members(settings, member, settings.caches[member], path)


def expanded(value: Any, source: str, table: str, key: str) -> str:
    """Return a place with what the environment says.

    Raises:
        ConfigError: the variable is not set.
    """
    if isinstance(value, Mapping):
        found = os.environ.get(value["env"])
        if not found:
            raise problem(source, table, key, f"the environment has no {value['env']}")
        return found
    return str(value)
