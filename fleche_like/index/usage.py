"""What budgets go by, of one call: how large its result is, what it cost, when it was used."""

from __future__ import annotations

import time
from typing import TypeAlias

from fleche_like.calls import DigestedCall

USAGE_COLUMNS = ("size", "cost", "used")

Usage: TypeAlias = tuple[int | None, float | None, int]
"""Bytes of the result as stored; seconds that it took; when it was used, in seconds since 1970."""


def usage(call: DigestedCall, size_bytes: int | None, used: int | None = None) -> Usage:
    """Return the columns of a call that is stored now.

    Args:
        call: the call, whose ``runtime.walltime`` is the cost.
        size_bytes: of its result; ``None`` if that is not known.
        used: when it was last used, in seconds since 1970; ``None`` for now.
    """
    runtime = call.metadata.get("runtime")
    cost = runtime.get("walltime") if type(runtime) is dict else None
    now = int(time.time())
    return size_bytes, cost if type(cost) is float else None, now if used is None else used
