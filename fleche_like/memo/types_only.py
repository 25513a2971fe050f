"""Types whose captured instances count by their type alone."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from fleche_like.cache import Cache

_by_type: Final[list[type]] = [
    logging.Logger,
    logging.LoggerAdapter,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
    threading.Semaphore,
    threading.local,
    Cache,
]


def register_by_type(kind: type) -> None:
    """Let captured instances of ``kind`` enter code digests by their type alone.

    For what a function uses but its result does not depend on: connections, pools, progress bars.
    """
    _by_type.append(kind)


def is_by_type(value: Any) -> bool:
    """Whether a value counts by its type alone."""
    # By type(): a proxy may claim any __class__, or raise when it is asked.
    return issubclass(type(value), tuple(_by_type))
