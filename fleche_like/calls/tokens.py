"""Tokens: plain arguments as bytes, so that a repeated call is recognised without any digest.

Two calls of one function have one token only if they have one key: a token holds values of exact
builtin types alone, and :mod:`marshal`, version 2, writes type and representation of each of those
(the sign of zero, the payload of a NaN, the order of a dict). It would also write any buffer, a
NumPy array say, as if it were ``bytes``; so types are checked first, exactly, and containers are
copied before they are checked: what another thread changes meanwhile is not in the copy.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from fleche_like.support.sentinel import MISSING, Missing

_Text = TypeVar("_Text", str, bytes)

#: Values that go into a token as they are.
ATOMS: Final = frozenset({int, float, bool, complex, type(None)})
#: Longer text and bytes are cheaper to digest than to copy and compare.
MAX_TEXT_LENGTH: Final = 1024
#: Containers with more values than this, nested ones counted, have no token.
MAX_VALUES: Final = 64
#: Longer tokens are not worth the memory they would take as keys of a look-up.
MAX_TOKEN_LENGTH: Final = 4096


def snapshot(value: Any) -> Any:
    """Return a private copy of a plain value; ``MISSING`` if it is not plain or too large.

    >>> snapshot([1, {"a": (2.5, None)}]), snapshot([{1}])
    ([1, {'a': (2.5, None)}], MISSING)
    """
    try:
        return _Copier().copy(value)
    except _NotPlain:
        return MISSING


def snapshot_keywords(
    kwargs: dict[str, Any], ignored: frozenset[str]
) -> tuple[tuple[str, Any], ...] | Missing:
    """Return a private copy of keyword arguments, sorted by name; ``MISSING`` as above."""
    copier = _Copier()
    try:
        return tuple(
            (copier.name(name), copier.copy(kwargs[name]))
            for name in sorted(kwargs)
            if name not in ignored
        )
    except _NotPlain:
        return MISSING


class _NotPlain(Exception):
    """The value, or something in it, has no place in a token."""


class _Copier:
    """Copies plain values, up to a number of them: which also ends self-containing ones."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def copy(self, value: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _NotPlain
        kind = type(value)
        if kind in ATOMS:
            return value
        if kind is str or kind is bytes:
            return _short(value)
        return self._container(value, kind)

    def name(self, name: str) -> str:
        if type(name) is not str:
            raise _NotPlain
        return _short(name)

    def _container(self, value: Any, kind: type) -> Any:
        # list() and dict.copy() of exact types run no Python code: nothing comes between.
        if kind is tuple or kind is list:
            if len(value) > self.left:
                raise _NotPlain
            return kind([self.copy(item) for item in list(value)])
        if kind is dict and len(value) <= self.left:
            items = value.copy().items()
            return {self.copy(key): self.copy(item) for key, item in items}
        raise _NotPlain


def _short(value: _Text) -> _Text:
    if len(value) > MAX_TEXT_LENGTH:
        raise _NotPlain
    return value
