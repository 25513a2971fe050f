"""Telling in well under a microsecond per helper whether everything reached is what it was.

The checks are compiled into one expression of ``is`` tests: a dict look-up and a comparison each,
without a call. What can change in place is encoded again.
"""

from __future__ import annotations

import abc
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from fleche_like.memo.describe import has, holds
from fleche_like.memo.sites import BUILTINS, Site
from fleche_like.support.sentinel import MISSING

_TERMS_PER_LINE: Final = 200


class Guards:
    """Collects what has to hold, and compiles the function that tells whether it does."""

    def __init__(self) -> None:
        self._terms: dict[str, None] = {}
        self._names: dict[int, str] = {}
        self._scope: dict[str, Any] = {"holds": holds, "has": has, "len": len}
        self._watched: list[tuple[Callable[[], bytes], bytes]] = []

    def _name(self, value: Any) -> str:
        """Return the name of an object in the expression; the scope keeps the object alive."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = f"v{len(self._names)}"
            self._scope[known] = value
        return known

    def _require(self, term: str) -> None:
        self._terms[term] = None

    def site(self, site: Site) -> None:
        """Require that a place still holds what was found there."""
        if site.cell is not None:
            self.cell(site.cell, site.value)
        elif site.holder is not None:
            self._require(f"{self._name(site.holder)}.{site.name} is {self._name(site.value)}")
        elif site.namespace is not None:
            self._key(site.namespace, site.name, site.value)

    def _key(self, namespace: Mapping[str, Any], key: str, value: Any) -> None:
        where = self._name(namespace)
        if value is MISSING:
            self._require(f"{key!r} not in {where}")
        else:
            self._require(f"{where}[{key!r}] is {self._name(value)}")

    def builtin(self, namespace: Mapping[str, Any], site: Site) -> None:
        """Require that a builtin is what it was, and that no global hides it."""
        self._key(namespace, site.name, MISSING)
        self._key(BUILTINS, site.name, site.value)

    def cell(self, cell: types.CellType, value: Any) -> None:
        """Require what a closure cell holds; an empty one makes the expression raise."""
        if value is not MISSING:
            self._require(f"{self._name(cell)}.cell_contents is {self._name(value)}")
        else:
            self._scope["empty"] = _is_empty
            self._require(f"empty({self._name(cell)})")

    def function(self, function: types.FunctionType, *, defaults: bool) -> None:
        """Require the code of a function, and its defaults."""
        name = self._name(function)
        self._require(f"{name}.__code__ is {self._name(function.__code__)}")
        if defaults:
            self._require(f"{name}.__defaults__ is {self._name(function.__defaults__)}")
            self._require(f"{name}.__kwdefaults__ is {self._name(function.__kwdefaults__)}")

    def keywords(self, defaults: dict[str, Any] | None) -> None:
        """Require what is in the keyword defaults of a function."""
        for key, value in (defaults or {}).items():
            self._key(defaults or {}, key, value)

    def cls(self, cls: type, members: Iterable[str]) -> None:
        """Require the bases of a class, what of its members counts, and that none was added."""
        space = vars(cls)
        self._require(f"{self._name(cls)}.__bases__ is {self._name(cls.__bases__)}")
        self.size(space)
        for name in members:
            self._key(space, name, space[name])

    def size(self, space: Mapping[str, Any]) -> None:
        """Require that nothing was added to a namespace."""
        self._require(f"len({self._name(space)}) == {len(space)}")

    def registrations(self) -> None:
        """Require that no virtual subclass was registered with any class."""
        self._scope["token"] = abc.get_cache_token
        self._require(f"token() == {abc.get_cache_token()}")

    def subclasses(self, cls: type, found: list[type]) -> None:
        """Require that a class has the same classes directly below it."""
        self._scope["below"] = type.__subclasses__
        self._require(f"below({self._name(cls)}) == {self._name(found)}")

    def container(self, container: Any, items: list[Any]) -> None:
        """Require that a container holds the same objects."""
        self._require(f"holds({self._name(container)}, {self._name(items)})")

    def settings(self, wrapper: Any, settings: dict[str, Any]) -> None:
        """Require that an instance has the same objects as attributes."""
        self._require(f"has({self._name(wrapper)}, {self._name(settings)})")

    def watch(self, again: Callable[[], bytes], now: bytes) -> None:
        """Require that a value encodes as it did."""
        self._watched.append((again, now))

    def compiled(self) -> Callable[[], bool]:
        """Return the function that tells whether all of it holds."""
        terms = [*self._terms]
        lines = [
            " and ".join(terms[i : i + _TERMS_PER_LINE]) or "True"
            for i in range(0, max(1, len(terms)), _TERMS_PER_LINE)
        ]
        checks = "".join(f"  if not ({line}): return False\n" for line in lines)
        last = "contents()" if self._watched else "True"
        self._scope["contents"] = self._contents(self._watched)
        text = f"def hold():\n try:\n{checks}  return {last}\n except Exception: return False\n"
        exec(compile(text, "<guards>", "exec"), self._scope)  # noqa: S102  our own text and names
        return self._scope["hold"]  # type: ignore[no-any-return]

    @staticmethod
    def _contents(watched: list[tuple[Callable[[], bytes], bytes]]) -> Callable[[], bool]:
        return lambda: all(again() == now for again, now in watched)


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  reading it is the test
    except ValueError:
        return True
    return False
