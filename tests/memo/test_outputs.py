"""Which names count as written, by scope and by use."""

from __future__ import annotations

import ast
import textwrap

import pytest

from fleche_like.memo.outputs import Written, written_by


def written(code: str) -> set[str]:
    found = outputs(code)
    return {*found.rebound, *(chain[0] for chain in found.changed)} - {""}


def outputs(code: str) -> Written:
    return written_by(ast.parse(textwrap.dedent(code)).body[0])


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
    assert {chain[0] for chain in written_by(node).changed} == {"log"}


def test_defaults_of_the_function_itself_are_not_its_body():
    assert written("def f(x, y=log.pop()): return x") == set()


@pytest.mark.parametrize(
    ("statement", "chain"),
    [
        ("m.log.append(x)", ("m", "log")),
        ("m.log[0].parts.append(x)", ("m", "log")),
        ("m.level = x", ("m", "level")),
        ("m.state.level += x", ("m", "state", "level")),
    ],
)
def test_the_way_to_what_changes_is_told(statement, chain):
    assert outputs(f"def f(x):\n    {statement}").changed >= {chain}


def test_attributes_that_are_assigned_to_classes():
    code = """
        def f(self, cls):
            cls.a = type(self).b = self.__class__.c = 1
            self.d = self.a.e = 1
    """
    assert outputs(code).of_classes == {"a", "b", "c"}


def test_attributes_whose_content_changes():
    code = """
        def f(self, x):
            self.seen.append(x)
            self.table[x] = self.cache.pop(x)
            self.total += 1
            self.last = self.add(x)
    """
    assert outputs(code).inside == {"seen", "table", "cache", "total"}
