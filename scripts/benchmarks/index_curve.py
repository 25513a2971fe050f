"""How times grow with what is stored: one line for each row, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from scripts.benchmarks.report import duration
from scripts.benchmarks.rows import Row

WIDTH: Final = 860
HEIGHT: Final = 460
LEFT: Final = 70
RIGHT: Final = 300
TOP: Final = 20
BOTTOM: Final = 45
LINE: Final = 15

_DIGITS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_COLOURS: Final = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c510a", "#7f7f7f"),
    *("#332288", "#117733"),
)


def contender(exponent: int) -> str:
    """Return what a database of so many calls is called in a row.

    >>> contender(4)
    '10⁴'
    """
    return f"10{str(exponent).translate(_DIGITS)}"


class Line(NamedTuple):
    """Median times in seconds by exponent."""

    name: str
    points: Sequence[tuple[int, float]]


def lines(rows: Sequence[Row]) -> list[Line]:
    """Return the lines of those rows that were measured on databases of several sizes."""
    found = (Line(row.name.rpartition(", of ")[0] or row.name, [*_points(row)]) for row in rows)
    return [line for line in found if len(line.points) > 1]


def _points(row: Row) -> Iterator[tuple[int, float]]:
    for exponent in range(12):
        name = contender(exponent)
        if name in row.samples.seconds:
            yield exponent, row.samples.median_s(name)


def drawn(rows: Sequence[Row]) -> str:
    """Return the lines as an SVG image: logarithmic both ways, named where they end."""
    found = lines(rows)
    if not found:
        return ""
    scale = Scale(found)
    parts = [*_grid(scale), *_curves(found, scale), *_names(found, scale)]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


class Scale:
    """Where exponents and seconds lie in the image."""

    def __init__(self, found: Sequence[Line]) -> None:
        exponents = [exponent for line in found for exponent, _ in line.points]
        seconds = [math.log10(taken) for line in found for _, taken in line.points]
        self.exponents = range(min(exponents), max(exponents) + 1)
        self.decades = range(math.floor(min(seconds)), math.floor(max(seconds)) + 2)

    def x(self, exponent: float) -> float:
        """Return the place of a number of calls."""
        first, last = self.exponents[0], self.exponents[-1]
        return LEFT + (exponent - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(self, seconds: float) -> float:
        """Return the place of a time."""
        first, last = self.decades[0], self.decades[-1]
        place = (math.log10(seconds) - first) / (last - first)
        return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)


def _grid(scale: Scale) -> Iterator[str]:
    left, right = scale.x(scale.exponents[0]), scale.x(scale.exponents[-1])
    for decade in scale.decades:
        y = scale.y(10.0**decade)
        yield f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="#dddddd"/>'
        yield _text(LEFT - 8, y + 4, duration(10.0**decade), "end", "#444444")
    for exponent in scale.exponents:
        x = scale.x(exponent)
        yield f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eeeeee"/>'
        yield _text(x, HEIGHT - BOTTOM + 18, contender(exponent), "middle", "#444444")
    yield _text((left + right) / 2, HEIGHT - 8, "calls in the index", "middle", "#444444")


def _curves(found: Sequence[Line], scale: Scale) -> Iterator[str]:
    for line, colour in zip(found, _colours(found), strict=True):
        places = [(scale.x(exponent), scale.y(taken)) for exponent, taken in line.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _names(found: Sequence[Line], scale: Scale) -> Iterator[str]:
    """Yield a name beside the end of each line, and none upon another."""
    ends = zip(found, _colours(found), strict=True)
    below = math.inf
    for line, colour in sorted(ends, key=lambda end: end[0].points[-1][1]):
        exponent, taken = line.points[-1]
        below = min(below - LINE, scale.y(taken) + 4)
        yield _text(scale.x(exponent) + 10, below, line.name, "start", colour)


def _colours(found: Sequence[Line]) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(len(found))]


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{escape(text)}</text>"
