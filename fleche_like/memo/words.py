"""What code names in other ways than by looking it up: texts in it that may be names."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from typing import Any, Final

from fleche_like.hashing.code import per_code
from fleche_like.memo.reads import Reads, reads_of
from fleche_like.support.syntax import parse_expression

NAMESPACES: Final = frozenset({"globals", "vars", "eval", "exec", "locals"})
"""Builtins through which a text becomes the name of a global."""

IMPORTERS: Final = frozenset({"import_module", "__import__", "modules"})
"""What gives a module by a text: ``importlib``'s, the builtin, ``sys.modules``."""

_LONGEST: Final = 1_000
"""Characters of a text that may be an expression."""


@per_code
def words_of(code: types.CodeType) -> frozenset[str]:
    """Return the texts in a code object that are names, dotted ones as a whole and in parts.

    >>> sorted(words_of(compile("getattr(a, 'b.c'), 'no name', {'d': 1}", "", "eval")))
    ['b', 'b.c', 'c', 'd']
    """
    found: set[str] = set()
    for text in _texts(code):
        parts = text.lstrip(".").split(".")
        if all(part.isidentifier() for part in parts):
            found |= {text, *parts}
    return frozenset(found)


@per_code
def expressions_of(code: types.CodeType) -> tuple[Reads, ...]:
    """Return what the texts in a code object would look up that are expressions: for ``eval``."""
    found = []
    for text in sorted({*_texts(code)}):
        if len(text) <= _LONGEST and not text.isidentifier():
            try:
                tree = parse_expression(text)
            except (SyntaxError, ValueError, RecursionError):
                continue
            if any(isinstance(node, ast.Name) for node in ast.walk(tree)):
                found.append(reads_of(compile(tree, "<text>", "eval")))
    return tuple(found)


def _texts(code: types.CodeType) -> Iterator[str]:
    waiting: list[Any] = [*code.co_consts]
    while waiting:
        constant = waiting.pop()
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple | frozenset):
            waiting += constant
        elif isinstance(constant, types.CodeType):
            waiting += constant.co_consts
