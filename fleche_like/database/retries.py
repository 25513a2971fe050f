"""Trying again what a server undid for a reason that passes."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from fleche_like.errors import DatabaseError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.005
LONGEST_PAUSE_S: Final = 0.5

T = TypeVar("T")


def retrying(action: Callable[[], T], timeout_s: float) -> T:
    """Return what ``action`` returns; run it again after errors that pass.

    The pauses grow and are random, so that two who undid each other do not meet again.

    Args:
        action: does all or nothing, and may be done twice.
        timeout_s: begin no other try after this, in seconds.

    Raises:
        DatabaseError: the last error, when time is up; or one that does not pass.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return action()
        except DatabaseError as error:
            if not error.transient or time.monotonic() + pause_s > deadline:
                raise
            logger.info("trying again in %.3f s: %s", pause_s, error)
        time.sleep(pause_s * random.uniform(0.5, 1.5))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
