from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche_like.cli import tables
from fleche_like.cli.tables import table_lines, text_width


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")

    def attach():
        stream = Terminal()
        monkeypatch.setattr("sys.stdout", stream)  # in the test itself: pytest captures by phase
        return stream

    return attach


cells = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=30)


@given(
    rows=st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=5)
    ),
    width=st.integers(60, 200),
)
def test_lines_are_no_wider_than_the_terminal(rows, width):
    lines = table_lines(rows, width)

    assert len(lines) == len(rows)
    assert all(text_width(line) <= width for line in lines)


def test_columns_are_aligned_also_where_characters_are_wide():
    lines = table_lines([["name", "x"], ["日本", "y"], ["a", "z"]], None)

    assert lines == ["name  x", "日本  y", "a     z"]


def test_numbers_are_aligned_to_the_right_and_text_to_the_left():
    assert table_lines(
        [["k", "n", "t"], ["a", "10", "1"], ["b", "", "x"], ["c", "-2.5", ""]], None
    ) == [
        "k     n  t",
        "a    10  1",
        "b        x",
        "c  -2.5",
    ]


def test_the_widest_columns_give_way_and_the_first_never_does():
    rows = [["key", "text", "n"], ["k" * 20, "t" * 50, "1"]]

    assert table_lines(rows, 40) == [
        "key" + " " * 17 + "  text" + " " * 11 + "  n",
        "k" * 20 + "  " + "t" * 14 + "…  1",
    ]
    assert "k" * 20 in table_lines(rows, 5)[1]


def test_a_table_without_rows_is_its_heading():
    assert table_lines([["key", "n"]], None) == ["key  n"]


def test_on_a_terminal_the_heading_is_bold_and_lines_fit(terminal):
    shown = terminal()
    tables.print_table(["key", "text"], [["abcd", "x" * 100]])
    head, row = shown.getvalue().splitlines()

    assert head.startswith("\x1b[1mkey")
    assert head.endswith("\x1b[0m")
    assert len(row) == 30


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_turned_off(terminal, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    shown = terminal()
    tables.print_table(["key"], [["abcd"]])

    assert shown.getvalue() == "key\nabcd\n"


def test_a_pipe_gets_whole_lines_without_colour(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    tables.print_table(["key", "text"], [["abcd", "x" * 500]])

    assert capsys.readouterr().out == f"key   text\nabcd  {'x' * 500}\n"


def test_csv_on_a_terminal_is_escaped(terminal):
    from fleche_like.cli.output import print_csv

    shown = terminal()
    print_csv([{"text": "\x1b[2J"}])
    assert shown.getvalue() == "text\n\\x1b[2J\n"
