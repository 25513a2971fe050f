"""An executor by the configuration."""

from __future__ import annotations

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Literal

from fleche_like.config.settings import load_settings


def open_executor(
    kind: Literal["threads", "processes"] | None = None, workers: int | None = None
) -> Executor:
    """Return a new executor of the standard library, for ``map`` and ``wrap_executor``.

    Args:
        kind: of its workers; what ``[executor]`` says if omitted, else threads.
        workers: how many; what ``[executor]`` says if omitted, else the library's default.

    Raises:
        ConfigError: something is wrong with the configuration.

    >>> with open_executor("threads", 2) as executor:
    ...     list(executor.map(abs, [-1, 2]))
    [1, 2]
    """
    settings = load_settings().executor.values
    chosen = kind or settings.get("kind", "threads")
    count = settings.get("workers") if workers is None else workers
    return (ProcessPoolExecutor if chosen == "processes" else ThreadPoolExecutor)(count)
