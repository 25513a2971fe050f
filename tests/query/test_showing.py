from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.calls import Call
from fleche_like.hashing import digest
from fleche_like.query import preview, printable
from fleche_like.query.html import MAX_COLUMNS
from tests.query.memory import MemorySource, everything, grid, simulate


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data):
        self.text += data
        if self.tags[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


def test_a_notebook_shows_the_table():
    seen = Reader(everything(grid(3)).order_by("alpha").limit(2)._repr_html_())

    assert seen.rows[0][:4] == ["key", "alpha", "steps", "result"]
    assert [row[1:4] for row in seen.rows[1:]] == [["0", "100", "0"], ["1", "100", "100"]]
    assert "order by arg('alpha') limit 2" in seen.text
    assert "more rows" not in seen.text


def test_only_the_first_rows_are_read_for_a_notebook():
    source = grid(50)
    seen = Reader(everything(source)._repr_html_())

    assert len(seen.rows) == 1 + 20
    assert "more rows follow" in seen.text
    assert source.asked == [("select", 21, 0), ("shrink", 20)]


def test_a_very_wide_table_is_cut_and_says_so():
    call = Call("f", {f"x{n}": n for n in range(100)})
    seen = Reader(everything(MemorySource(call))._repr_html_())

    assert len(seen.rows[0]) == 1 + MAX_COLUMNS
    assert "80 more columns" in seen.text


def test_an_empty_answer_is_shown_too():
    assert len(Reader(everything(MemorySource())._repr_html_()).rows) == 1


HOSTILE = "<script>alert('&quot;')</script>\"><img src=x onerror=alert(1)>\x1b[2J"


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE[::-1]])
def test_nothing_from_outside_becomes_markup(text):
    call = Call(text, {text: text}, result=text, metadata={text: text})
    other = Call("other", {})
    query = everything(MemorySource(call, other)).where(**{text: None}).where(**{text: text})
    html = query._repr_html_() + everything(MemorySource(call, other))._repr_html_()

    assert set(Reader(html).tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "\x1b" not in html


@given(value=st.text())
def test_any_text_is_shown_as_text(value):
    query = everything(MemorySource(simulate(value, result=0)))

    assert Reader(query._repr_html_()).rows[1][1] == preview(value, 40)


@given(
    value=st.recursive(
        st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    width=st.integers(4, 80),
)
def test_a_preview_is_one_printable_line_of_bounded_length(value, width):
    shown = preview(value, width)

    assert len(shown) <= width
    assert shown.isprintable()


class Rude:
    def __repr__(self):
        raise RuntimeError("no")


class Escaping:
    def __repr__(self):
        return "a\x1b]0;title\x07\nb\u202e"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.zeros((3, 4)), "<ndarray 3x4 float64>"),
        (np.float64(0.5), "np.float64(0.5)"),
        (pd.DataFrame({"a": [1]}), "<DataFrame 1x1>"),
        (pd.Series([1]), "<Series 1 int64>"),
        (10**5000, "<int of 16610 bits>"),
        (-(10**20), "-100000000000000000000"),
        (digest(1), digest(1)[:12]),
        ({"b": 1, "a": {"c": 2}}, "{'b': 1, 'a': {'c': 2}}"),
        (dict.fromkeys(range(9)), "{0: None, 1: None, 2: None, 3: None, ...}"),
        ({1: {2: {3: {4: {5: {6: {7: 8}}}}}}}, "{1: {2: {3: {4: {5: {6: {...}}}}}}}"),
        (Rude(), "<Rude instance at"),
        (Escaping(), r"a\x1b]0;title\x07\nb\u202e"),
        ("x" * 100, "'" + "x" * 58 + "…"),
        ([np.zeros(3), 10**5000], "[<ndarray 3 float64>, <int of 16610 bits>]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_previews_describe_what_is_large_or_strange(value, shown):
    assert preview(value).startswith(shown)


def test_a_value_that_contains_itself_has_a_preview():
    loop: list[object] = []
    loop.append(loop)

    assert preview(loop).startswith("[[[")


def test_only_what_a_terminal_could_act_on_is_escaped():
    assert printable("Größe 日本 😀") == "Größe 日本 😀"
    assert printable("a\tb\x00\ud800\u202e") == r"a\tb\x00\ud800\u202e"


def test_importing_the_floor_is_light():
    program = (
        "import sys, fleche_like.query; "
        "print([m for m in ('numpy', 'pandas', 'sqlalchemy', 'fsspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout == "[]\n", done.stderr
