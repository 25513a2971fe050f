"""Which names count as written, by scope and by use."""

from __future__ import annotations

import ast
import textwrap

import pytest

from fleche_like.memo.outputs import written_names


def written(code: str) -> set[str]:
    return set(written_names(ast.parse(textwrap.dedent(code)).body[0]))


@pytest.mark.parametrize(
    "statement",
    [
        "log.append(x)",
        "log[0] = x",
        "log.attribute = x",
        "log[0].attribute['k'] = x",
        "del log[x]",
        "log[0] += x",
        "y = log.pop()",
        "return log.setdefault(x, [])",
        "log.children[0].update(x)",
        "[log.pop() for _ in x]",
        "(lambda: log.pop())()",
        "for log[0] in x: pass",
        "async def g():\n    log.append(1)",
        "class C:\n    log.append(1)",
    ],
)
def test_what_changes_an_outside_object(statement):
    body = textwrap.indent(statement, "    ")
    assert written(f"def f(x):\n{body}") == {"log"}


@pytest.mark.parametrize(
    "statement",
    [
        "return log.add(x)",
        "y = log.update(x)",
        "y = log",
        "y = log[0]",
        "y = log.attribute",
        "log = []; log.append(x)",
        "with x as log: log.append(x)",
        "import log; log.append(x)",
        "log: list = []; log.append(x)",
        "def g(log): log.append(x)",
        "def g():\n    log = []\n    log.append(1)",
        "def g():\n    log = 0\n    log += 1",
        "g = lambda log: log.pop()",
        "def g(key=lambda log: log.pop()): pass",
        "[log.pop() for log in x]",
        "class C:\n    log = []\n    log.append(1)",
        "for log in x: log.append(1)",
    ],
)
def test_what_does_not(statement):
    body = textwrap.indent(statement, "    ")
    assert "log" not in written(f"def f(x):\n{body}")


def test_declared_names_are_written_through_any_depth():
    assert written("def f():\n    global a\n    a = 1") == {"a"}
    assert written("def f():\n    def g():\n        global a\n        a += 1") == {"a"}
    assert written("def f():\n    b = 0\n    def g():\n        nonlocal b\n        b += 1") == set()


def test_a_lambda_may_be_the_function():
    (node,) = (n for n in ast.walk(ast.parse("lambda x: log.pop(x)")) if isinstance(n, ast.Lambda))
    assert written_names(node) == {"log"}


def test_defaults_of_the_function_itself_are_not_its_body():
    assert written("def f(x, y=log.pop()): return x") == set()
