"""Where a function looks things up: globals, closure cells, attributes of modules, imports."""

from __future__ import annotations

import builtins
import contextlib
import dis
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from fleche_like.hashing import function_node
from fleche_like.hashing.code import per_code
from fleche_like.memo.outputs import Written, written_by
from fleche_like.memo.own import is_own_namespace
from fleche_like.memo.reads import Chain, Import, reads_of
from fleche_like.memo.words import IMPORTERS, NAMESPACES, expressions_of, words_of
from fleche_like.support.sentinel import MISSING

BUILTINS: Final = vars(builtins)
_OF_THE_FILE: Final = frozenset(
    {"__file__", "__cached__", "__loader__", "__spec__", "__path__", "__builtins__"}
)
"""Globals that tell where a module lies, which does not count where nobody asks."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One place where a value is looked up, and the value found there.

    Args:
        part: what it is called in a manifest.
        value: what was found; ``MISSING`` if nothing.
        name: the name that is looked up.
        namespace: the globals it is looked up in, if it is no cell.
        cell: the closure cell, if it is one.
        lenient: whether a value without identity may be passed over.
        installed: whether the namespace is that of Python or of an installed package.
        home: the globals of the function, where a builtin was found that they do not hide.
        owner: the class whose attribute it is.
        holder: the function or class whose attribute it is, where no namespace holds it.
        declared: whether it was said once and for all, so that nobody changes it.
    """

    part: str
    value: Any
    name: str = ""
    namespace: Mapping[str, Any] | None = None
    cell: types.CellType | None = None
    lenient: bool = False
    installed: bool = False
    home: Mapping[str, Any] | None = None
    owner: type | None = None
    holder: types.FunctionType | type | None = None
    declared: bool = False

    @property
    def place(self) -> tuple[int, str]:
        """What identifies the place itself, whatever is found there."""
        if self.cell is not None:
            return id(self.cell), ""
        if self.holder is not None:
            return id(self.holder), self.name
        return id(self.namespace if self.home is None else self.home), self.name


def _order(each: Import) -> tuple[str, int, str, str]:
    return each.module, each.level, each.name or "", each.loaded or ""


def read_cell(cell: types.CellType) -> Any:
    """Return what a closure cell holds, or ``MISSING`` if its variable is not bound yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


@per_code
def written_of(code: types.CodeType) -> Written:
    """Return what a code object writes to; without source only what it rebinds."""
    node = function_node(types.FunctionType(code, {}, closure=_cells_for(code)))
    if node is not None:
        return written_by(node)
    stores = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"}
    found = (each for each in dis.get_instructions(code) if each.opname in stores)
    return Written(rebound=frozenset(str(each.argval) for each in found))


def _cells_for(code: types.CodeType) -> tuple[types.CellType, ...]:
    return tuple(types.CellType() for _ in code.co_freevars)


class Lookups:
    """The places where one function looks things up.

    Args:
        function: a Python function.
        where: how its closure's parts are called: ``""`` for the memoized function.
        space: how the names of a module's globals begin, by the module's globals.
    """

    def __init__(self, function: types.FunctionType, where: str, space: Spaces) -> None:
        self._function = function
        self._globals = function.__globals__
        self._where = where
        self._space = space
        names = function.__code__.co_freevars
        self._cells = dict(zip(names, function.__closure__ or (), strict=True))
        self._reads = reads_of(function.__code__)

    def sites(self) -> Iterator[Site]:
        """Yield the places in a stable order, each once; names it rebinds are left out."""
        rebound = written_of(self._function.__code__).rebound
        chains = self._reads.globals | {c for c in self._reads.cells if c[0] in self._cells}
        for name in sorted(self._cells.keys() - rebound - {c[0] for c in chains}):
            yield self._cell_site(name)
        for chain in sorted(chains):
            if chain[0] not in rebound:
                yield from self._along(self._first(chain[0]), chain[1:])
        yield from self._imported()

    def handed_on(self) -> Iterator[types.ModuleType]:
        """Yield modules of the project that are handed on rather than asked for an attribute."""
        for chain in sorted(self._reads.globals | self._reads.cells):
            if chain[0] in self._cells or chain[0] in self._globals:
                *_, last = self._along(self._first(chain[0]), chain[1:])
                yield from _own_modules(last.value)
        for site, each, _ in self._imports():
            for chain in self._chains_of(each.variable):
                *_, last = self._along(site, chain[1:])
                yield from _own_modules(last.value)
        for word in sorted(self._imported_by_text()):
            yield from _own_modules(_own_module(word))

    def _imported_by_text(self) -> Iterator[str]:
        reads = self._reads
        named = reads.attributes | {chain[0] for chain in reads.globals}
        if named.isdisjoint(IMPORTERS):
            return
        package = str(self._globals.get("__package__") or "")
        for word in words_of(self._function.__code__):
            if word.startswith("."):
                with contextlib.suppress(ImportError, ValueError):
                    yield importlib.util.resolve_name(word, package)
            elif word in sys.modules or not named.isdisjoint(IMPORTERS - {"modules"}):
                yield word
        if ("__name__",) in reads.globals:
            yield str(self._globals.get("__name__"))

    def by_text(self) -> Iterator[Site]:
        """Yield globals that the function names in texts: ``globals()["k"]``, ``eval("k + 1")``."""
        code = self._function.__code__
        if {chain[0] for chain in self._reads.globals}.isdisjoint(NAMESPACES):
            return
        for word in sorted(words_of(code) & self._globals.keys() - _OF_THE_FILE):
            yield self._global_site(self._globals, word)
        for reads in expressions_of(code):
            for chain in sorted(reads.globals):
                if chain[0] in self._globals:
                    yield from self._along(self._first(chain[0]), chain[1:])

    def assigned(self) -> Iterator[tuple[Site, str]]:
        """Yield objects whose attributes the function assigns, with the attribute's name."""
        for chain in sorted(written_of(self._function.__code__).changed):
            if len(chain) > 1 and (chain[0] in self._cells or chain[0] in self._globals):
                sites = self._along(self._first(chain[0]), chain[1:])
                yield from zip(sites, chain[1:], strict=False)

    def changed(self) -> Iterator[Site]:
        """Yield the places whose value the function changes, attributes of modules included."""
        for chain in sorted(written_of(self._function.__code__).changed):
            if chain[0] in self._cells or chain[0] in self._globals:
                *_, last = self._along(self._first(chain[0]), chain[1:])
                yield last

    def _first(self, name: str) -> Site:
        if name in self._cells:
            return self._cell_site(name)
        return self._global_site(self._globals, name)

    def _cell_site(self, name: str) -> Site:
        cell = self._cells[name]
        return Site(f"closure {self._where}{name}", read_cell(cell), name, cell=cell)

    def _global_site(self, namespace: dict[str, Any], name: str) -> Site:
        value = namespace.get(name, MISSING)
        if value is MISSING and name in BUILTINS:
            value, part = BUILTINS[name], f"builtin {name}"
            return Site(part, value, name, BUILTINS, installed=True, home=namespace)
        part = f"global {self._space(namespace)}{name}"
        return Site(part, value, name, namespace)

    def _along(self, site: Site, attributes: Chain) -> Iterator[Site]:
        """Yield a site and, while it holds a module or function, the attribute taken of it."""
        yield site
        for name in attributes:
            holder = site.value
            if type(holder) is types.FunctionType and name in holder.__dict__:
                space = holder.__dict__
                site = Site(f"{site.part}.{name}", space[name], name, space)
            elif isinstance(holder, types.ModuleType):
                site = self._attribute_site(holder, name)
            else:
                return
            yield site

    def _attribute_site(self, module: types.ModuleType, name: str) -> Site:
        namespace = vars(module)
        own = is_own_namespace(namespace)
        value = namespace.get(name, MISSING)
        if value is MISSING and own:
            value = _lazily(module, name)
        part = f"global {self._space(namespace)}{name}"
        return Site(part, value, name, namespace, installed=not own)

    def _imported(self) -> Iterator[Site]:
        for site, each, module in self._imports():
            if each.name is not None:
                yield _imported_site(module)
            yield site
            for chain in self._chains_of(each.variable):
                _, *rest = self._along(site, chain[1:])
                yield from rest

    def _imports(self) -> Iterator[tuple[Site, Import, types.ModuleType]]:
        """Yield what imports in the body bind, with the import and the module."""
        for each in sorted(self._reads.imports, key=_order):
            module = self._module(each)
            if module is not None and each.name is not None:
                if each.name not in vars(module) and hasattr(module, "__path__"):
                    _own_module(f"{module.__name__}.{each.name}")
                yield self._attribute_site(module, each.name), each, module
            elif module is not None:
                yield _imported_site(module), each, module

    def _chains_of(self, variable: str) -> list[Chain]:
        """Return the uses of a variable that an import binds: a local one, or a global one."""
        reads = self._reads
        chains = reads.locals | reads.cells | reads.globals
        return sorted(chain for chain in chains if chain[0] == variable)

    def _module(self, imported: Import) -> types.ModuleType | None:
        package = self._globals.get("__package__") or ""
        name = imported.module
        if imported.loaded:
            _own_module(imported.loaded)
        if imported.level:
            parents = package.split(".")
            base = parents[: len(parents) - imported.level + 1]
            name = ".".join([*base, *filter(None, [name])])
        return _own_module(name)


def _imported_site(module: types.ModuleType) -> Site:
    return Site(f"import {module.__name__}", module, module.__name__, sys.modules)


def _own_modules(value: Any) -> Iterator[types.ModuleType]:
    if is_own_module(value):
        yield value


def is_own_module(value: Any) -> bool:
    """Whether a value is a module of the project."""
    return issubclass(type(value), types.ModuleType) and is_own_namespace(vars(value))


def named_in(module: types.ModuleType, names: AbstractSet[str], spaces: Spaces) -> Iterator[Site]:
    """Yield those attributes of a module that are named anywhere in what is reached."""
    namespace = vars(module)
    for name in sorted(names & namespace.keys() - _OF_THE_FILE):
        yield Site(f"global {spaces(namespace)}{name}", namespace[name], name, namespace)


def attributes_named(
    function: types.FunctionType, label: str, names: AbstractSet[str]
) -> Iterator[Site]:
    """Yield those attributes of a function that are named anywhere in what is reached."""
    space = function.__dict__
    for name in sorted(names & space.keys()):
        yield Site(f"attribute {label}.{name}", space[name], name, space)


def _own_module(name: str) -> types.ModuleType | None:
    """Return a module of the project, imported if the function's body has not done so yet.

    Of what is installed nothing is followed, so it is not imported either.
    """
    found = sys.modules.get(name)
    try:
        if found is None:
            spec = importlib.util.find_spec(name)
            if spec is None or not is_own_namespace(
                {"__name__": name, "__file__": spec.origin if spec.has_location else None,
                 "__spec__": spec}
            ):  # fmt: skip
                return None
            found = importlib.import_module(name)
    except Exception:  # noqa: BLE001  foreign code: the body will say what is wrong, if it runs
        return None
    return found if is_own_namespace(vars(found)) else None


def _lazily(module: types.ModuleType, name: str) -> Any:
    """Return an attribute that a module's own ``__getattr__``, or its import, provides."""
    try:
        return getattr(module, name, MISSING)
    except Exception:  # noqa: BLE001  as above
        return MISSING


class Spaces:
    """How the names of globals begin: not at all in the memoized function's own module."""

    def __init__(self, home: dict[str, Any] | None) -> None:
        self._known: dict[int, str] = {} if home is None else {id(home): ""}
        self._used = {""}
        self.kept: list[Any] = [home]

    def __call__(self, namespace: dict[str, Any]) -> str:
        known = self._known.get(id(namespace))
        if known is None:
            name = f"{namespace.get('__name__', '')}."
            known = unique(name, self._used)
            self._known[id(namespace)] = known
            self.kept.append(namespace)  # an id must not come to mean another one
        return known


def unique(name: str, used: set[str]) -> str:
    """Return a name, numbered if it is in use, and put it in use."""
    found, number = name, 1
    while found in used:
        number += 1
        found = f"{name}#{number}"
    used.add(found)
    return found


def distinct(sites: Iterable[Site]) -> Iterator[Site]:
    """Yield each place once."""
    seen: set[tuple[int, str]] = set()
    for site in sites:
        places = site.namespace, site.cell, site.holder
        if site.owner is not None or not any(each is not None for each in places):
            yield site
        elif site.place not in seen:
            seen.add(site.place)
            yield site
