"""What is known of a code object, remembered while it lives.

The parser and the disassembler take as long to import as everything else here, so they wait for
the first function.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from fleche_like.hashing.text import Digest

if TYPE_CHECKING:
    import ast

T = TypeVar("T")


def per_code(compute: Callable[[types.CodeType], T]) -> Callable[[types.CodeType], T]:
    """Remember a function's results per code object, by identity, while the code object lives.

    By identity, because code objects of different sources may compare equal.
    """
    known: dict[int, tuple[weakref.ref[types.CodeType], T]] = {}

    @functools.wraps(compute)
    def remember(code: types.CodeType) -> T:
        key = id(code)
        found = known.get(key)
        if found is not None and found[0]() is code:
            return found[1]
        result = compute(code)
        known[key] = weakref.ref(code, lambda _ref: known.pop(key, None)), result
        return result

    return remember


def function_code_digest(func: Callable[..., Any]) -> Digest:
    """Return the digest of a function's own code.

    Neither defaults, closure values, global names' values nor decorators are part of it; nor are
    its name, docstrings, comments, formatting and line numbers. Without trustworthy source it is
    that of the bytecode, marked with Python's minor version.

    Args:
        func: a Python function, or anything with its ``__code__`` (a method too).

    Raises:
        TypeError: ``func`` has no Python code.

    >>> function_code_digest(lambda x: x) == function_code_digest(lambda x: x + 1)
    False
    """
    code = getattr(func, "__code__", None)
    if not isinstance(code, types.CodeType):
        raise TypeError(f"{type(func).__name__} has no Python code")
    return _code_digest(code)


def function_node(func: types.FunctionType) -> ast.AST | None:
    """Return the syntax tree of a function's definition, or ``None`` without trustworthy source."""
    # The parser is imported when the first function is met.
    from fleche_like.hashing import source

    return source.find(func.__code__)


@per_code
def _code_digest(code: types.CodeType) -> Digest:
    from fleche_like.hashing import source

    return source.code_digest(code)


@per_code
def global_names(code: types.CodeType) -> frozenset[str]:
    """Return the names that a code object, or one nested in it, looks up as globals or builtins."""
    return frozenset(_walk_global_names(code))


def _walk_global_names(code: types.CodeType) -> Iterator[str]:
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _walk_global_names(constant)
