"""The progress bar is seen by people and by nobody else."""

from __future__ import annotations

import io
import sys
import types

import pytest

import fleche_like as fl
from fleche_like.support.progress import Silent, is_watched, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@fl.memoize(code="none", cache=fl.open_cache("memory://"))
def double(x):
    return 2 * x


def test_a_terminal_sees_the_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(double.map(range(4), progress=True)) == [0, 2, 4, 6]
    assert "double: 100%" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "wanted"), [(io.StringIO, True), (Terminal, False)])
def test_nothing_is_printed_otherwise(monkeypatch, capsys, stream, wanted):
    standard_error = stream()
    monkeypatch.setattr(sys, "stderr", standard_error)
    assert list(double.map(range(4), progress=wanted)) == [0, 2, 4, 6]
    assert standard_error.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_without_any_standard_error_there_is_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert isinstance(progress("x", []), Silent)


def test_a_notebook_sees_it(monkeypatch):
    shell = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not is_watched()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert is_watched()


def test_a_bar_may_not_know_its_end(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(double.map((x for x in range(3)), progress=True)) == [0, 2, 4]
    assert "3it" in terminal.getvalue()
