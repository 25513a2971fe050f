"""A progress bar where somebody can see it: on a terminal or in a notebook, nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sized
from typing import Any, Protocol


class Progress(Protocol):
    """What counts steps."""

    def update(self, steps: int = 1, /) -> object:
        """Count some steps more; from any thread."""
        ...

    def close(self) -> None:
        """Leave the bar as it is."""
        ...


class Silent:
    """A progress that nobody sees."""

    def update(self, steps: int = 1, /) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def progress(what: str, items: Iterable[Any], *, wanted: bool = True) -> Progress:
    """Return a bar that counts up to the length of ``items``, if that is known.

    Args:
        what: what it says in front.
        items: what is being worked through; only its length is looked at.
        wanted: whether there is to be one at all.

    Returns:
        A bar of tqdm on standard error if that is a terminal, or in the cell of a notebook;
        elsewhere one that is silent.
    """
    if not (wanted and is_watched()):
        return Silent()
    import tqdm.auto

    bar: Progress = tqdm.auto.tqdm(desc=what, total=_length(items), disable=False)
    return bar


def is_watched() -> bool:
    """Return whether somebody sees a bar: standard error is a terminal, or this is a notebook."""
    return _is_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def _length(items: Iterable[Any]) -> int | None:
    return len(items) if isinstance(items, Sized) else None
