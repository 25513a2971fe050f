"""Putting something between a database and its driver."""

from __future__ import annotations

from collections.abc import Callable

from fleche_like.database.database import Database
from fleche_like.database.driver import Driver


def interpose(database: Database, wrap: Callable[[Driver], Driver]) -> None:
    """Let a database speak to its driver through something else: for tests and traces.

    Args:
        database: idle; what was made over it before and has a connection of its own keeps its
            driver.
        wrap: from the driver to what takes its place.
    """
    driver = wrap(database._driver)
    database._driver = database._pool._driver = driver
    database._reset()
