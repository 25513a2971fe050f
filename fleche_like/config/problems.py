"""What is wrong with a setting, and where it is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fleche_like.errors import ConfigError
from fleche_like.support.redact import redact


def problem(source: str, table: str, key: str, reason: str) -> ConfigError:
    """Return the error for a setting.

    Args:
        source: the file, or the environment variable.
        table: dotted name of the table; empty for the whole file.
        key: in the table; empty for the whole table.
        reason: what is wrong; shows no value that may be secret.
    """
    place = ": ".join(part for part in (source, table and f"[{table}]", key) if part)
    # Somebody may have put a secret where a name belongs.
    message = redact(f"{place}: {reason}")
    return ConfigError(message, source=redact(source), table=redact(table), key=redact(key))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return which of the known names was perhaps meant, to append to a message."""
    near = difflib.get_close_matches(name, [*known], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
