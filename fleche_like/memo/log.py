"""What happens to calls, for logs: one event each, at level DEBUG, with fields to filter by."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("fleche_like.memo")


def log_event(event: str, module: str | None, name: str, key: str | None, **fields: Any) -> None:
    """Log an event of a call.

    Args:
        event: ``hit``, ``stored``, ``uncached``, ``raised`` or ``waiting``.
        module: of the function.
        name: of the function.
        key: of the call, if it has one.
        **fields: what else is known.

    The record carries ``fleche_event``, ``fleche_function``, ``fleche_key`` and each field with
    ``fleche_`` in front, as ``extra=`` gives them.
    """
    if logger.isEnabledFor(logging.DEBUG):
        known = {"event": event, "function": f"{module}.{name}", "key": key, **fields}
        extra = {f"fleche_{field}": value for field, value in known.items()}
        logger.debug("%s: %s %s", event, name, key or "", extra=extra)
