"""Settings in environment variables.

``FLECHE_LIKE_CACHES__TEAM__READ_ONLY=true`` is ``read_only = true`` in ``[caches.team]``: names of
tables and keys in capitals, two underscores between them. A value is what TOML takes it for, or
else text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from fleche_like.config.problems import problem
from fleche_like.config.schema import TABLES

PREFIX: Final = "FLECHE_LIKE_"
CACHE_VARIABLE: Final = "FLECHE_LIKE_CACHE"
"""The default cache: a folder, a URL, or ``@name``."""

KEYS_VARIABLE: Final = "FLECHE_LIKE_KEYS"
"""Keys, for caches that name none of their own."""

KEYS_FILE_VARIABLE: Final = "FLECHE_LIKE_KEYS_FILE"
TRUST_VARIABLE: Final = "FLECHE_LIKE_TRUST"

_SEPARATOR: Final = "__"


class Variable(NamedTuple):
    """A setting in the environment.

    Attributes:
        name: of the variable.
        path: tables and key.
        value: as TOML has it.
    """

    name: str
    path: tuple[str, ...]
    value: Any


def variables(environment: Mapping[str, str]) -> Iterator[Variable]:
    """Yield the settings of an environment, in the order of their names.

    Raises:
        ConfigError: a variable names half a setting.
    """
    for name in sorted(environment):
        head, *rest = name.removeprefix(PREFIX).lower().split(_SEPARATOR)
        if not name.startswith(PREFIX) or not rest or head not in TABLES:
            continue
        path = (head, *rest)
        if len(path) != (3 if head == "caches" else 2) or not all(path):
            wanted = f"{PREFIX}CACHES__NAME__KEY or {PREFIX}EXECUTOR__KEY"
            raise problem(name, "", "", f"{wanted} is wanted")
        yield Variable(name, path, _parsed(environment[name]))


def _parsed(text: str) -> Any:
    import tomllib

    try:
        found = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    return found["value"] if len(found) == 1 else text
