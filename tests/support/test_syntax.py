"""Syntax trees, while other threads want some too."""

from __future__ import annotations

import ast
import gc
import sys
import threading

import pytest

from fleche_like.support.syntax import parse, parse_expression

TEXT = "\n".join(f"def f{n}(x):\n    return [y * {n} for y in (x, (x, [x]))]" for n in range(40))


@pytest.fixture
def threads_that_interrupt():
    """The collector runs all the time, and whatever it finds lets another thread have its turn."""

    def take_turns(phase, info):
        threading.Event().wait(0)

    before, pause = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    gc.callbacks.append(take_turns)
    yield
    gc.callbacks.remove(take_turns)
    sys.setswitchinterval(pause)
    gc.set_threshold(*before)


def failures(work):
    found = []

    def run():
        try:
            for _ in range(5):
                work()
        except SystemError as error:
            found.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_trees_can_be_built_by_many_threads(threads_that_interrupt):
    assert failures(lambda: parse(TEXT)) == []
    assert failures(lambda: parse_expression(" [(1, 2), f(x)[3]] ")) == []


def test_somebody_elses_trees_do_not_get_in_the_way(monkeypatch):
    known = ast.parse
    answers = [SystemError("depth mismatch"), SystemError("depth mismatch"), known("x = 1")]

    def parse_badly(text):
        answer = answers.pop(0)
        if isinstance(answer, SystemError):
            raise answer
        return answer

    monkeypatch.setattr(ast, "parse", parse_badly)
    assert ast.dump(parse("x = 1")) == ast.dump(known("x = 1"))


def test_a_text_that_is_none_is_refused_as_ever():
    with pytest.raises(SyntaxError):
        parse("def")
