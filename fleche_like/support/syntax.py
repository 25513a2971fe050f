"""Syntax trees, also where several threads want one at a time.

CPython before 3.13 counts the depth of the tree that it is building for all threads together. A
thread that gets its turn in the middle of that (when the garbage collector runs) and builds a tree
of its own spoils the count, and both fail with a ``SystemError``.
"""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from fleche_like.support.forks import renew_after_fork

T = TypeVar("T", bound=ast.AST)

_ATTEMPTS: Final = 20
_PAUSE_S: Final = 0.001


class _OneAtATime:
    def __init__(self) -> None:
        self._renew_after_fork()
        renew_after_fork(self)

    def _renew_after_fork(self) -> None:
        # Re-entrant: an object that is finalised meanwhile may want a tree as well.
        self._lock = threading.RLock()

    def run(self, build: Callable[[], T]) -> T:
        for attempt in range(_ATTEMPTS - 1):
            try:
                with self._lock:
                    return build()
            except SystemError:  # by a thread that does not ask here
                time.sleep(attempt * _PAUSE_S)
        with self._lock:
            return build()


_building: Final = _OneAtATime()


def parse(text: str) -> ast.Module:
    """Return the tree of a module; thread-safe.

    Raises:
        SyntaxError, ValueError, RecursionError: the text is no module.
    """
    return _building.run(lambda: ast.parse(text))


def parse_expression(text: str) -> ast.Expression:
    """Return the tree of an expression; thread-safe.

    Raises:
        SyntaxError, ValueError, RecursionError: the text is no expression.
    """
    return _building.run(lambda: ast.parse(text.strip(), mode="eval"))
