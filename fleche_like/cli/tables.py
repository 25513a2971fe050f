"""Aligned text that fits the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence

GAP = "  "
NARROWEST = 6


def on_terminal() -> bool:
    """Return whether people look at the output."""
    return sys.stdout.isatty()


def has_colour() -> bool:
    """Return whether the output may be styled: see https://no-color.org."""
    return on_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def available_width() -> int | None:
    """Return how many columns a line may have: as many as it needs in a pipe or a file."""
    if on_terminal() or os.environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size().columns
    return None


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a heading; the widest columns give way where the line is too long.

    Args:
        head: the columns' names.
        rows: printable text, as many cells each.
    """
    lines = table_lines([head, *rows], available_width())
    print(f"\x1b[1m{lines[0]}\x1b[0m" if has_colour() else lines[0])
    for line in lines[1:]:
        print(line)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and what they are, aligned."""
    for line in table_lines(list(pairs), available_width(), heading=False):
        print(line)


def table_lines(
    rows: Sequence[Sequence[str]], width: int | None, *, heading: bool = True
) -> list[str]:
    """Return rows as lines of aligned columns; numbers under a heading go to the right.

    >>> table_lines([["name", "n"], ["a", "10"], ["bcd", "9"]], None)
    ['name   n', 'a     10', 'bcd    9']
    """
    columns = list(zip(*rows, strict=True))
    widths = [max(map(text_width, column)) for column in columns]
    if width is not None:
        widths = fitted(widths, width)
    numeric = heading and len(rows) > 1
    right = [numeric and all(map(_is_number, column[1:])) for column in columns]
    return [GAP.join(map(_padded, row, widths, right)).rstrip() for row in rows]


def fitted(widths: Sequence[int], width: int) -> list[int]:
    """Return column widths that fit a line, taken from the widest columns first.

    The first column is kept whole: it has the keys, which people copy.

    >>> fitted([6, 40, 10], 40)
    [6, 20, 10]
    """
    first, *others = widths
    excess = first + sum(others) + len(GAP) * len(others) - width
    while excess > 0 and max(others, default=0) > NARROWEST:
        others[others.index(max(others))] -= 1
        excess -= 1
    return [first, *others]


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    >>> text_width("abc"), text_width("日本")
    (3, 4)
    """
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(cell: str, width: int, right: bool) -> str:
    cell = _cut(cell, width)
    space = " " * (width - text_width(cell))
    return space + cell if right else cell + space


def _cut(cell: str, width: int) -> str:
    if text_width(cell) <= width:
        return cell
    kept, used = "", 0
    for character in cell:
        used += _character_width(character)
        if used > width - 1:
            break
        kept += character
    return kept + "…"


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "") or 0)
    except ValueError:
        return False
    return True
