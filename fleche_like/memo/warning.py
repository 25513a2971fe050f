"""Warnings that point to the code that made the call, and never take an answer's place."""

from __future__ import annotations

import inspect
import logging
import os.path
import warnings
from typing import Final

from fleche_like.errors import FlecheWarning

logger = logging.getLogger(__name__)

_PACKAGE: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep


def warn(message: str, kind: type[FlecheWarning]) -> None:
    """Give a warning; where warnings are errors, it is logged instead.

    A call that is answered must not raise because of the cache, whatever ``-W`` says.
    """
    try:
        warnings.warn(message, kind, stacklevel=_frames_of_ours())
    except FlecheWarning:
        logger.warning("%s", message)


def _frames_of_ours() -> int:
    """Return the ``stacklevel`` at which a warning points to the code that made the call."""
    depth, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    return depth
