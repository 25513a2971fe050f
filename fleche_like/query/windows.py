"""Slices, limits and offsets: which part of an ordered answer is wanted."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """``limit`` rows (None: all) after the first ``offset``."""

    offset: int = 0
    limit: int | None = None

    def part(self, start: int, stop: int | None) -> Window:
        """Return the window of rows ``start`` to ``stop`` (exclusive) of this window.

        >>> Window(10, 5).part(2, 100)
        Window(offset=12, limit=3)
        """
        limit = None if stop is None else max(0, stop - start)
        if self.limit is not None:
            remaining = max(0, self.limit - start)
            limit = remaining if limit is None else min(limit, remaining)
        return Window(self.offset + start, limit)

    def count(self, available: int) -> int:
        """Return how many of ``available`` rows the window shows.

        >>> Window(10, 5).count(12)
        2
        """
        shown = max(0, available - self.offset)
        return shown if self.limit is None else min(shown, self.limit)


def forward(part: slice) -> tuple[int, int | None] | None:
    """Return start and stop of a slice that takes neighbours from the front, else None."""
    start, stop, step = part.start, part.stop, part.step
    if step not in (None, 1) or (start or 0) < 0 or (stop is not None and stop < 0):
        return None
    return start or 0, stop
