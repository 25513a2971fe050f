"""``config``: which settings were found, and where."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any, Final

from fleche_like.cli.exits import Exit
from fleche_like.cli.output import print_json
from fleche_like.cli.tables import print_table
from fleche_like.config import Settings, default_folder, load_settings
from fleche_like.config.environment import KEYS_FILE_VARIABLE, KEYS_VARIABLE, TRUST_VARIABLE
from fleche_like.config.settings import Table
from fleche_like.query import printable
from fleche_like.support.redact import redact

EXAMPLES: Final = (
    "fleche-like config",
    "fleche-like config --json",
)
_HEAD: Final = ("setting", "value", "from")
_VARIABLES: Final = (KEYS_VARIABLE, KEYS_FILE_VARIABLE, TRUST_VARIABLE)
_SECRET: Final = frozenset({KEYS_VARIABLE})


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Print files, and each setting with its origin; nothing secret."""
    settings = load_settings()
    if args.json:
        print_json(_as_json(settings))
        return Exit.OK
    files = [(each.role, printable(str(each.path)), each.state) for each in settings.looked]
    print_table(("file", "path", "state"), files)
    print()
    print_table(_HEAD, [tuple(map(printable, row)) for row in _rows(settings)])
    return Exit.OK


def _as_json(settings: Settings) -> dict[str, Any]:
    return {
        "files": [
            {"role": each.role, "path": str(each.path), "state": each.state}
            for each in settings.looked
        ],
        "settings": [dict(zip(_HEAD, row, strict=True)) for row in _rows(settings)],
    }


def _rows(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and origin of every setting in effect."""
    default = settings.default
    shown = str(default_folder()) if default is None else redact(default)
    yield "default", shown, settings.default_origin
    for table in (*settings.caches.values(), settings.executor):
        yield from _rows_of(table)
    for name in _VARIABLES:
        if os.environ.get(name):
            yield name, "(set)" if name in _SECRET else os.environ[name], "environment"


def _rows_of(table: Table) -> Iterator[tuple[str, str, str]]:
    for key, value in table.values.items():
        yield f"{table.name}.{key}", _shown(value), table.where(key)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {redact(str(item))}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else redact(str(value))
