"""What a code object looks up outside itself: names, attributes of modules, imports.

Read off the bytecode, which is there when source is not. What nested functions and classes look up
counts too.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from fleche_like.hashing.code import per_code

Chain: TypeAlias = tuple[str, ...]

_GLOBAL: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTE: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"})
_SILENT: Final = frozenset(
    {"PUSH_NULL", "CACHE", "EXTENDED_ARG", "RESUME", "NOP", "COPY_FREE_VARS"}
)


@dataclass(frozen=True, slots=True)
class Import:
    """One import inside a function.

    Args:
        variable: the local name it binds.
        level: dots in front of the module's name.
        module: the module.
        name: what is taken from it; ``None`` binds the module itself.
        loaded: the module in it that is imported by the way, as by ``import package.module``.
    """

    variable: str
    level: int
    module: str
    name: str | None
    loaded: str | None = None


@dataclass(frozen=True, slots=True)
class Reads:
    """What a code object looks up.

    Args:
        globals: each use of a global with the attributes taken of it: ``("np", "linalg", "norm")``.
        cells: the same of variables shared with an enclosing or a nested function.
        locals: the same of the function's own variables.
        imports: imports in the body.
        attributes: every attribute that is mentioned.
    """

    globals: frozenset[Chain]
    cells: frozenset[Chain]
    locals: frozenset[Chain]
    imports: frozenset[Import]
    attributes: frozenset[str]


@per_code
def reads_of(code: types.CodeType) -> Reads:
    """Return what a code object, or one nested in it, looks up.

    >>> reads = reads_of(compile("np.linalg.norm(x)", "", "eval"))
    >>> sorted(reads.globals)
    [('np', 'linalg', 'norm'), ('x',)]
    """
    found = _Finder()
    for each in _nested(code):
        found.read(each)
    return Reads(
        globals=frozenset(found.globals),
        cells=frozenset(found.cells),
        locals=frozenset(found.locals),
        imports=frozenset(found.imports),
        attributes=frozenset(found.attributes),
    )


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


@dataclass
class _Finder:
    """Reads the instructions of code objects one after the other."""

    globals: set[Chain] = field(default_factory=set)
    cells: set[Chain] = field(default_factory=set)
    locals: set[Chain] = field(default_factory=set)
    imports: set[Import] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    _chain: Chain = ()
    _place: set[Chain] = field(default_factory=set)
    _constants: tuple[Any, Any] = (0, None)
    _importing: tuple[int, str, Any] | None = None
    _taken: str | None = None

    def read(self, code: types.CodeType) -> None:
        for instruction in dis.get_instructions(code):
            self._step(instruction.opname, instruction.argval)
        self._end()

    def _step(self, name: str, value: Any) -> None:
        if name in _SILENT:
            return
        if name in _ATTRIBUTE:
            self._attribute(str(value))
            return
        self._end()
        if name.startswith("STORE_"):
            self._bind(value[0] if isinstance(value, tuple) else value)
        if (place := self._place_of(name)) is not None:
            self._place = place
            self._chain = (str(value[-1] if isinstance(value, tuple) else value),)
        elif name in {"LOAD_CONST", "LOAD_SMALL_INT"}:
            self._constants = (self._constants[1], value)
        elif name == "IMPORT_NAME":
            self._importing, self._taken = (self._constants[0], value, self._constants[1]), None
        elif name == "IMPORT_FROM":
            self._taken = value

    def _place_of(self, name: str) -> set[Chain] | None:
        if "LOAD_FAST" in name:
            return self.locals
        if name.startswith("LOAD_") and name.endswith("DEREF"):
            return self.cells
        if name in _GLOBAL:
            return self.globals
        return None

    def _attribute(self, name: str) -> None:
        self.attributes.add(name)
        if self._chain:
            self._chain = (*self._chain, name)

    def _end(self) -> None:
        if self._chain:
            self._place.add(self._chain)
            self._chain = ()

    def _bind(self, variable: Any) -> None:
        if self._importing is None:
            return
        level, module, names = self._importing
        if names:  # from module import name
            if self._taken is None:
                self._importing = None
                return
            self.imports.add(Import(str(variable), level, module, self._taken))
            self._taken = None
        else:  # import package.module, or the same with ``as``
            bound = module if self._taken else module.partition(".")[0]
            loaded = None if bound == module else module
            self.imports.add(Import(str(variable), level, bound, None, loaded))
            self._importing = None
