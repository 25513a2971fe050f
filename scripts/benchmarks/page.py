"""Results as a page of the documentation; a page that is there keeps what was not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.benchmarks import index_curve
from scripts.benchmarks.report import as_markdown, environment
from scripts.benchmarks.rows import Row

HEAD = """# Benchmarks

Made by `{command}`; every figure is a median, every factor in parentheses says how many times
faster fleche-like is, as the median of ratios taken within one round. How each contender is set up:
`scripts/benchmarks/peers.py`.

{environment}
"""

ILLUSTRATED = {"index": index_curve.drawn}
"""What draws the rows of a suite."""


def write(page: Path, results: Mapping[str, Sequence[Row]], command: str) -> None:
    """Write the tables and drawings of suites, in place of those that the page has of them.

    Args:
        page: the file; drawings go beside it.
        results: rows by suite.
        command: what was run: said at the top of a new page.
    """
    text = page.read_text() if page.exists() else _head(command)
    for suite, rows in results.items():
        text = _with_table(text, suite, as_markdown(suite, rows))
        image = ILLUSTRATED[suite](rows) if suite in ILLUSTRATED else ""
        if image:
            file = page.with_name(f"{page.stem}-{suite}.svg")
            file.write_text(image)
            text = _with_image(text, suite, f"![{suite}: times by number of calls]({file.name})")
    page.write_text(text)


def _head(command: str) -> str:
    listed = "\n".join(f"- {name}: {text}" for name, text in environment().items())
    return HEAD.format(command=command, environment=listed)


def _with_table(text: str, suite: str, table: str) -> str:
    blocks = text.rstrip("\n").split("\n\n")
    for place, block in enumerate(blocks):
        if block.startswith(f"| {suite} |"):
            blocks[place] = table
            break
    else:
        blocks.append(table)
    return "\n\n".join(blocks) + "\n"


def _with_image(text: str, suite: str, image: str) -> str:
    if image in text:
        return text
    before, table, after = _around(text, suite)
    return "\n\n".join([*before, table, image, *after]) + "\n"


def _around(text: str, suite: str) -> tuple[list[str], str, list[str]]:
    blocks = text.rstrip("\n").split("\n\n")
    (place,) = [n for n, block in enumerate(blocks) if block.startswith(f"| {suite} |")]
    return blocks[:place], blocks[place], blocks[place + 1 :]
