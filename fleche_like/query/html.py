"""Columns as an HTML table, for notebooks; needs no library and trusts no text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import islice
from typing import Any

from fleche_like.query.columns import Columns
from fleche_like.query.preview import preview, printable, shorten
from fleche_like.support.sentinel import MISSING

MAX_CELL = 40
MAX_COLUMNS = 20


def render(columns: Columns, *, asked: str, more: bool) -> str:
    """Return ``columns`` as HTML.

    Args:
        columns: what to show; the first :data:`MAX_COLUMNS` of them are.
        asked: plain text that says what was asked, for the caption.
        more: whether there are more rows than these.
    """
    names = list(islice(columns.named, MAX_COLUMNS))
    hidden = len(columns.named) - len(names)
    head = _row("th", ["key", *map(_header, names)])
    body = "".join(_row("td", cells) for cells in _cells(columns, names))
    notes = [printable(asked)] + (["more rows follow"] if more else [])
    notes += [f"{hidden} more columns"] if hidden else []
    caption = escape(" · ".join(notes))
    return (
        f'<table class="fleche-like"><caption>{caption}</caption>'
        f"<thead>{head}</thead><tbody>{body}</tbody></table>"
    )


def _header(name: str) -> str:
    return shorten(printable(name), MAX_CELL)


def _cells(columns: Columns, names: list[str]) -> Iterable[list[str]]:
    for position, key in enumerate(columns.keys or ()):
        yield [key, *(_text(columns.named[name][position]) for name in names)]


def _text(cell: Any) -> str:
    return "" if cell is MISSING else preview(cell, MAX_CELL)


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
